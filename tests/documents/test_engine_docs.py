"""The programs of docs/engine.md run, its curl line is answered, its variables are read."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import ask, friday, heard, started
from managers import ROOT, free_port
from programs import printed, running
from redis_server import RedisServer

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.services.agent_state import RedisStateService, StateServiceFactory
from agentscope_runtime.engine.services.base import ServiceWithLifecycleManager
from agentscope_runtime.engine.services.factory import ServiceFactory
from agentscope_runtime.engine.services.memory import MemoryServiceFactory, RedisMemoryService
from agentscope_runtime.engine.services.session_history import RedisSessionHistoryService, SessionHistoryServiceFactory

PAGE = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
BLOCKS: list[str] = [block.strip() + "\n" for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)]


def with_text(text: str) -> str:
    """Return the one block that contains a text."""
    found = [block for block in BLOCKS if text in block]
    assert len(found) == 1, text
    return found[0]


ECHO, GREETER, COUNT = with_text("def echo"), with_text("def lifespan"), with_text("def count")
STATES, TOOL = with_text("InMemoryStateService()"), with_text("BaseSandbox()")


def app_of(block: str, folder: Path) -> AgentApp:
    """Run a block as a server would load it, and return the application."""
    (folder / "block.py").write_text(block)
    app = runpy.run_path(str(folder / "block.py"))["app"]
    assert isinstance(app, AgentApp)
    return app


def test_every_block_is_run_by_one_of_these_tests() -> None:
    """A new one needs a test here."""
    assert sorted(BLOCKS) == sorted([ECHO, GREETER, COUNT, STATES, TOOL])


def test_the_first_application_answers_the_curl_line(tmp_path: Path) -> None:
    """Run as a program, and asked with the words of the page."""
    (curl,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    command, *options, url, header_, header, data_, data = shlex.split(curl.replace("\\\n", " ").replace("-N ", ""))
    assert (command, options, header_, data_) == ("curl", [], "-H", "-d")
    port = str(free_port())
    (tmp_path / "echo.py").write_text(ECHO.replace("8090", port))
    with running("echo.py", folder=tmp_path) as program:
        program.wait_answers(url.replace("8090", port))
        name, _, value = header.partition(": ")
        answer = httpx.post(url.replace("8090", port), headers={name: value}, content=data, trust_env=False)
        assert heard(answer).text == "hello there "
        assert program.end() in (0, -15), program.said


async def test_the_application_with_a_lifespan_greets(tmp_path: Path) -> None:
    """Whoever shows the key; FastAPI's own routes are nobody's secret."""
    app = app_of(GREETER, tmp_path)
    async with started(app) as client:
        assert (await client.post("/process", json={"input": []})).status_code == 401
        assert (await client.get("/motto")).json() == {"motto": "sandbox first"}
        client.headers["Authorization"] = "Bearer a-long-secret"
        assert (await ask(client, session_id="s", user_id="alice")).text == "Good morning, alice."


async def test_the_endpoint_counts(tmp_path: Path) -> None:
    """Each number is an event."""
    async with started(app_of(COUNT, tmp_path)) as client:
        lines = (await client.post("/count?to=2")).text.splitlines()
        assert [json.loads(line.removeprefix("data: ")) for line in lines if line] == [{"number": 0}, {"number": 1}]


def test_the_state_is_kept(tmp_path: Path) -> None:
    """The script prints what it saved."""
    assert printed(STATES, tmp_path).splitlines() == ["{'mood': 'curious'}"]


@pytest.mark.docker
def test_the_method_is_a_tool(tmp_path: Path) -> None:
    """Its name, its arguments, and what it answers."""
    described, answered, *_ = printed(TOOL, tmp_path).splitlines()
    assert described.startswith("run_ipython_cell ['code'")
    assert answered == "Out[1]: 42"


FACTORIES: dict[str, tuple[type[ServiceFactory[Any]], type[ServiceWithLifecycleManager]]] = {
    "STATE": (StateServiceFactory, RedisStateService),
    "SESSION_HISTORY": (SessionHistoryServiceFactory, RedisSessionHistoryService),
    "MEMORY": (MemoryServiceFactory, RedisMemoryService),
}
"""What chooses a service by variables, and the one that keeps things in Redis."""


def test_the_variables_are_those_of_the_services() -> None:
    """The page names two for each service, and how long Redis keeps what is not used; each is an option there."""
    named = set(re.findall(r"`([A-Z_]+)`", PAGE)) - {"AGENT_BEARER_TOKEN"}
    of_redis = {name for name in named if "_REDIS_" in name}
    assert named - of_redis == {f"{prefix}_BACKEND" for prefix in FACTORIES}
    assert {f"{prefix}_REDIS_REDIS_URL" for prefix in FACTORIES} <= of_redis
    for name in of_redis:
        prefix, _, option = name.partition("_REDIS_")
        assert option.lower() in inspect.signature(FACTORIES[prefix][1]).parameters


@pytest.mark.parametrize("prefix", FACTORIES)
async def test_the_variables_choose_where_things_are_kept(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory without any; in the Redis of the URL with both."""
    factory, in_redis = FACTORIES[prefix]
    assert type(await factory.create()).__name__.startswith("InMemory")
    with RedisServer(tmp_path) as redis:
        monkeypatch.setenv(f"{prefix}_BACKEND", "redis")
        monkeypatch.setenv(f"{prefix}_REDIS_REDIS_URL", redis.url)
        service = await factory.create()
        assert isinstance(service, in_redis)
        async with service:
            assert await service.health()


async def test_the_key_of_agents_may_be_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """AGENT_BEARER_TOKEN does what the option does."""
    monkeypatch.setenv("AGENT_BEARER_TOKEN", "from outside")
    async with started(friday()) as client:
        assert (await client.post("/process", json={"input": []})).status_code == 401
        client.headers["Authorization"] = "Bearer from outside"
        assert (await client.post("/process", json={"input": []})).status_code == 200
