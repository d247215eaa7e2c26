# Made by scripts/unasync.py from tests/client/_async/test_connection_to_several.py. Do not edit: change that one and run `make unasync`.
"""A client of several managers that share a pool: who does not answer, or is about to end, costs nobody a call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._sync.base import BaseSandbox
from agentscope_runtime.sandbox._sync.connection import Connection
from agentscope_runtime.sandbox.errors import Draining, ManagerUnreachable, StoreUnavailable
from agentscope_runtime.sandbox.settings import find_origin

POOL = calls.pool()
TOOL = calls.call_tool("sbx-1", "run_shell_command", {"command": "true"}, 1.0)
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def other() -> Iterator[ScriptedManager]:
    """A second manager."""
    with ScriptedManager().serving() as running:
        yield running


def to(*urls: str) -> Connection:
    """Connect to these managers."""
    return Connection(find_origin(",".join(urls), KEY))


def test_the_next_one_serves_what_one_refuses(manager: ScriptedManager, other: ScriptedManager) -> None:
    """Tool calls, too, since nothing was done; and the next call begins where one was answered."""
    with to(manager.url, other.url) as connection:
        manager.then_refuse(Draining("about to end", retry_after=1))
        other.leases["", "s"] = {"base": "sbx-1"}
        assert (connection.send(TOOL))["isError"] is False
        assert (connection.send(POOL)).limit == 0
    assert len(manager.seen) == 1
    assert other.paths() == ["POST /v1/sandboxes/sbx-1/tools/run_shell_command", "GET /v1/pool"]


def test_the_next_one_serves_where_nobody_listens(manager: ScriptedManager) -> None:
    """As long as one is there."""
    with to(NOBODY, manager.url) as connection:
        assert (connection.send(POOL)).limit == 0
    assert len(manager.seen) == 1


def test_a_single_manager_that_is_replaced_is_waited_for(manager: ScriptedManager) -> None:
    """Its successor has the same address."""
    with to(manager.url) as connection:
        for _ in range(3):
            manager.then_refuse(Draining("about to end"))
        assert (connection.send(POOL)).limit == 0
    assert len(manager.seen) == 4


def test_other_refusals_are_told(manager: ScriptedManager, other: ScriptedManager) -> None:
    """What one manager cannot do for reasons that hold for all is not asked of the next."""
    with to(manager.url, other.url) as connection:
        manager.then_refuse(StoreUnavailable("Redis does not answer", retry_after=1))
        with pytest.raises(StoreUnavailable, match="Redis does not answer"):
            connection.send(POOL)
    assert not other.seen


def test_all_addresses_are_named_when_none_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has what to look at."""
    monkeypatch.setattr("agentscope_runtime.sandbox.retrying.RETRY_FOR", 0.1)
    with to(NOBODY, "http://127.0.0.1:10") as connection:
        with pytest.raises(ManagerUnreachable, match=r"no sandbox manager answers at http://127.0.0.1:9 or http://127"):
            connection.send(POOL)


def test_a_sandbox_outlives_its_manager(manager: ScriptedManager, other: ScriptedManager) -> None:
    """The same object goes on at the other manager, which knows the lease, and gives it back there."""
    other.leases = manager.leases  # what they share
    with BaseSandbox(base_url=f"{manager.url},{other.url}", bearer_token=KEY) as box:
        for _ in range(2):
            manager.then_refuse(Draining("about to end"))
        assert (box.run_shell_command("true"))["isError"] is False
    assert [path.split()[0] for path in other.paths()] == ["POST", "DELETE"]
    assert not manager.leases
