"""Services made of what the environment says."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.services.agent_state import (
    InMemoryStateService,
    RedisStateService,
    StateService,
    StateServiceFactory,
)
from agentscope_runtime.engine.services.base import Service
from agentscope_runtime.engine.services.factory import ServiceFactory
from agentscope_runtime.engine.services.memory import (
    InMemoryMemoryService,
    MemoryServiceFactory,
    RedisMemoryService,
)
from agentscope_runtime.engine.services.sandbox import SandboxService, SandboxServiceFactory
from agentscope_runtime.engine.services.session_history import (
    InMemorySessionHistoryService,
    RedisSessionHistoryService,
    SessionHistoryServiceFactory,
)


class Noted(Service):
    """Remembers what it was made of."""

    def __init__(
        self,
        name: str = "",
        count: int = 0,
        ratio: float | None = 0.5,
        loud: bool = False,
        sizes: dict[str, int] | None = None,
    ) -> None:
        self.made_of = (name, count, ratio, loud, sizes)

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    async def health(self) -> bool:
        """Tell that all is well."""
        return True


class NotedFactory(ServiceFactory[Noted], prefix="NOTED_", backends={"plain": Noted}):
    """Makes these."""


@pytest.mark.parametrize(
    ("factory", "prefix", "expected"),
    [
        (StateServiceFactory, "STATE", {"": InMemoryStateService, "redis": RedisStateService}),
        (MemoryServiceFactory, "MEMORY", {"": InMemoryMemoryService, "redis": RedisMemoryService}),
        (
            SessionHistoryServiceFactory,
            "SESSION_HISTORY",
            {"": InMemorySessionHistoryService, "redis": RedisSessionHistoryService},
        ),
        (SandboxServiceFactory, "SANDBOX", {"": SandboxService, "Default": SandboxService}),
    ],
)
async def test_the_environment_says_which(
    factory: type[ServiceFactory[Any]],
    prefix: str,
    expected: dict[str, type[Service]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And where it says nothing, it is the one in memory; capitals do not count."""
    for backend, service in expected.items():
        monkeypatch.setenv(f"{prefix}_BACKEND", backend)
        assert type(await factory.create()) is service
        assert type(await factory.create(backend.upper() or None)) is service


async def test_arguments_are_stronger_than_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend, and each of its arguments."""
    monkeypatch.setenv("NOTED_PLAIN_NAME", "from the environment")
    monkeypatch.setenv("NOTED_PLAIN_COUNT", "3")
    assert (await NotedFactory.create()).made_of == ("from the environment", 3, 0.5, False, None)
    assert (await NotedFactory.create("plain", name="given")).made_of == ("given", 3, 0.5, False, None)
    monkeypatch.setenv("NOTED_BACKEND", "missing")
    assert (await NotedFactory.create("Plain")).made_of[1] == 3


async def test_variables_are_read_as_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, truth and nothing; an empty variable is none."""
    for name, text in {"NAME": "none", "COUNT": "", "RATIO": "None", "LOUD": "true"}.items():
        monkeypatch.setenv(f"NOTED_PLAIN_{name}", text)
    assert (await NotedFactory.create()).made_of == ("none", 0, None, True, None)
    monkeypatch.setenv("NOTED_PLAIN_RATIO", "2")
    assert (await NotedFactory.create()).made_of[2] == 2.0


@pytest.mark.parametrize(("name", "text"), [("COUNT", "many"), ("LOUD", "perhaps"), ("COUNT", "none")])
async def test_what_cannot_be_read_is_refused(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable and what it says."""
    monkeypatch.setenv(f"NOTED_PLAIN_{name}", text)
    with pytest.raises(InvalidOption, match=f"NOTED_PLAIN_{name} is '{text}'"):
        await NotedFactory.create()


async def test_what_a_backend_does_not_take_is_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that callers need not know which it will be; the log says so."""
    monkeypatch.setenv("STATE_IN_MEMORY_COLOUR", "red")
    with caplog.at_level(logging.INFO, "agentscope_runtime"):
        service = await StateServiceFactory.create("in-memory", redis_url="redis://x", max_rounds=3)
    assert type(service) is InMemoryStateService
    assert "the backend in_memory takes no colour, redis_url" in caplog.text


async def test_an_unknown_backend_is_refused() -> None:
    """The message has those that there are."""
    with pytest.raises(ValueError, match="Unsupported backend type 'tape': it must be one of in_memory, redis"):
        await StateServiceFactory.create("tape")


async def test_an_unknown_backend_of_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been set far away."""
    monkeypatch.setenv("STATE_BACKEND", "tape")
    with pytest.raises(ValueError, match="Unsupported backend type 'tape' in STATE_BACKEND: it must be one of"):
        await StateServiceFactory.create()


async def test_anybody_may_bring_a_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one kind of service, and no other; functions may make it, and may take anything."""

    class OwnFactory(ServiceFactory[Noted], prefix="OWN_"):
        """Has none yet."""

    with pytest.raises(InvalidOption, match="none is registered"):
        await OwnFactory.create("own")
    OwnFactory.register_backend("OWN", lambda **given: Noted(name=repr(given)))
    monkeypatch.setenv("OWN_OWN_ANYTHING", "1")
    assert (await OwnFactory.create(more=2)).made_of[0] == "{'anything': '1', 'more': 2}"
    assert "own" not in NotedFactory._backends
    assert "own" not in StateServiceFactory._backends


async def test_the_redis_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the service and those of its connections."""
    for name, text in {"REDIS_URL": "redis://cache:1/2", "TTL_SECONDS": "none", "SOCKET_TIMEOUT": "0.5"}.items():
        monkeypatch.setenv(f"STATE_REDIS_{name}", text)
    service: StateService = await StateServiceFactory.create("redis", max_connections=7)
    assert isinstance(service, RedisStateService)
    assert service._ttl == ""
    assert service._link._url == "redis://cache:1/2"
    assert service._link._options["socket_timeout"] == 0.5
    assert service._link._options["max_connections"] == 7
