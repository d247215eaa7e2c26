"""Many sessions at once on one real manager: everybody is served, nobody shares."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from managers import Server

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BaseSandbox

pytestmark = pytest.mark.docker


def stdout(result: dict[str, Any]) -> str:
    """Return what a cell printed."""
    return next((item["text"] for item in result["content"] if item.get("description") == "stdout"), "")


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """A manager that keeps three base sandboxes warm."""
    return make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="3").wait_ready()


def connect(server: Server, session: str, user: str = "", types: list[str] | None = None) -> list[str]:
    """Connect one session and return the ids of its sandboxes."""
    with server.http() as http:
        body = {"session_id": session, "user_id": user, "sandbox_types": types or ["base"]}
        answer = http.post("/v1/leases", json=body)
        assert answer.status_code == 200, answer.text
        return [sandbox["sandbox_id"] for sandbox in answer.json()["sandboxes"]]


def release(server: Server, session: str, user: str = "") -> None:
    """Give back all sandboxes of one session."""
    with server.http() as http:
        answer = http.delete("/v1/leases", params={"session_id": session, "user_id": user})
        assert answer.status_code == 204, answer.text


def test_fifty_connects_of_one_key_are_one_lease(server: Server) -> None:
    """However many callers ask for one session at once, they get the same sandbox."""
    barrier = threading.Barrier(50)

    def caller(_: int) -> list[str]:
        barrier.wait()
        return connect(server, "crowd", "alice")

    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(caller, range(50)))
    assert len({tuple(answer) for answer in answers}) == 1
    with server.http() as http:
        leases = http.get("/v1/leases").json()["leases"]
    assert [len(lease["sandboxes"]) for lease in leases if lease["session_id"] == "crowd"] == [1]
    release(server, "crowd", "alice")


def test_twenty_sessions_on_a_pool_of_three_are_all_served(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A burst far beyond the pool waits, and is served."""

    def caller(number: int) -> tuple[str, float]:
        begin = time.perf_counter()
        (sandbox,) = connect(server, f"burst-{number}", "bob")
        waited = time.perf_counter() - begin
        with server.http() as http:
            body = {"arguments": {"code": f"print({number})"}}
            answer = http.post(f"/v1/sandboxes/{sandbox}/tools/run_ipython_cell", json=body)
        assert answer.json()["content"][0]["text"].strip() == str(number)
        return sandbox, waited

    try:
        with ThreadPoolExecutor(20) as callers:
            served = list(callers.map(caller, range(20)))
    finally:
        for number in range(20):
            release(server, f"burst-{number}", "bob")
    assert len({sandbox for sandbox, _ in served}) == 20
    waits = sorted(waited for _, waited in served)
    with capsys.disabled():
        print(f"\n20 sessions, pool of 3: wait p50 {waits[9]:.2f} s, p95 {waits[18]:.2f} s, max {waits[19]:.2f} s")


def test_two_users_never_share_a_sandbox(server: Server) -> None:
    """The same session name of two users, and names that join to the same string, are different leases."""
    ids = [
        connect(server, "s", "carol"),
        connect(server, "s", "dave"),
        connect(server, "a_b", "c"),
        connect(server, "a", "b_c"),
        connect(server, "b_c", "a"),
    ]
    assert len({sandbox for (sandbox,) in ids}) == 5
    for session, user in (("s", "carol"), ("s", "dave"), ("a_b", "c"), ("a", "b_c"), ("b_c", "a")):
        release(server, session, user)


def test_a_variable_stays_for_the_session_and_goes_with_it(server: Server) -> None:
    """State lives from call to call of one lease; a new lease of the same key starts clean."""
    service = SandboxService(base_url=server.url, bearer_token=server.key)
    (box,) = service.connect("memory", "erin", ["base"])
    box.run_ipython_cell("answer = 41 + 1")
    assert stdout(box.run_ipython_cell("print(answer)")).strip() == "42"
    (again,) = service.connect("memory", "erin", ["base"])
    assert again.sandbox_id == box.sandbox_id
    service.release("memory", "erin")
    (fresh,) = service.connect("memory", "erin", ["base"])
    assert fresh.sandbox_id != box.sandbox_id
    result = fresh.run_ipython_cell("print(answer)")
    assert result["isError"] is True
    assert "NameError" in str(result["content"])
    service.release("memory", "erin")


SECOND_SCRIPT = """
from agentscope_runtime.sandbox import BaseSandbox
with BaseSandbox() as box:
    print(box.run_ipython_cell("print('second')")["content"][0]["text"].strip(), flush=True)
"""


def test_a_second_script_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that starts, runs and ends while another holds a box leaves that box alone."""
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path))  # both are of one installation
    with BaseSandbox() as box:
        box.run_ipython_cell("kept = 'mine'")
        script = [sys.executable, "-c", SECOND_SCRIPT]
        second = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
        assert second.stdout.strip() == "second"
        assert stdout(box.run_ipython_cell("print(kept)")).strip() == "mine"
