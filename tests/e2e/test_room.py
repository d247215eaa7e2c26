"""A real manager that is full: whoever waits gets what others give back, in turn, and the pool learns its size."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from managers import Server

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import PoolExhausted, QuotaExceeded

pytestmark = pytest.mark.docker


def until_waiting(server: Server, callers: int) -> None:
    """Wait until so many stand in line."""
    with server.http() as http:
        for _ in range(600):
            if http.get("/v1/pool").json()["queue"]["waiting"] == callers:
                return
            time.sleep(0.05)
    pytest.fail(f"not {callers} callers wait after 30 s")


def test_a_full_manager_serves_everybody_in_turn(make_server: Callable[..., Server]) -> None:
    """Two places, two users: one with three sessions, one with one; nobody has more than two boxes at once."""
    server = make_server(POOL_SIZE="0", MAX_SANDBOX_INSTANCES="2", MAX_SANDBOXES_PER_USER="1").wait_ready()
    order: list[str] = []
    lock = threading.Lock()

    def session(name: str, user: str) -> None:
        with SandboxService(server.url, server.key) as service:
            (box,) = service.connect(name, user, wait_s=90)
            with lock:
                order.append(name)
            assert not box.run_shell_command("true")["isError"]
            assert len(server.containers()) <= 2
            service.release(name, user)

    with SandboxService(server.url, server.key) as first, ThreadPoolExecutor(4) as threads:
        first.connect("held", "alice")
        with pytest.raises(QuotaExceeded) as quota:
            first.connect("more", "alice")
        assert quota.value.extras["limited_by"] == "user"
        runs = [threads.submit(session, f"alice-{number}", "alice") for number in range(2)]
        until_waiting(server, 2)
        runs.append(threads.submit(session, "bob", "bob"))  # another user's quota is not in bob's way
        runs[-1].result(timeout=90)
        assert order == ["bob"]
        first.release("held", "alice")
        for run in runs:
            run.result(timeout=90)
    assert sorted(order[1:]) == ["alice-0", "alice-1"]


def test_who_does_not_wait_is_told_at_once_and_may_try_again(make_server: Callable[..., Server]) -> None:
    """A typed error, never a sandbox that is none."""
    server = make_server(POOL_SIZE="0", MAX_SANDBOX_INSTANCES="1").wait_ready()
    with BaseSandbox(base_url=server.url, bearer_token=server.key):
        begin = time.monotonic()
        with (
            pytest.raises(PoolExhausted, match="MAX_SANDBOX_INSTANCES") as refused,
            BaseSandbox(base_url=server.url, bearer_token=server.key),
        ):
            pass
        assert time.monotonic() - begin < 5
        assert refused.value.extras["retry_after"] >= 1
    with BaseSandbox(base_url=server.url, bearer_token=server.key, wait_s=60) as box:
        assert not box.run_shell_command("true")["isError"]
