"""A manager that is about to end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from served_manager import Manager
from served_manager import manager as run_manager
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agentscope_runtime.sandbox_manager.api.draining import Drain


async def test_what_is_new_is_refused_before_anything_is_done(manager: Manager) -> None:
    """Connects, calls and handshakes; the connection is closed, and who asks whether the process lives hears so."""
    drain: Drain = manager.app.state.drain
    async with manager.http() as http:
        assert await drain.finish(10) == 0
        answer = await http.post("/v1/leases", json={"session_id": "s"})
        assert (answer.status_code, answer.json()["code"]) == (503, "draining")
        assert (answer.headers["Retry-After"], answer.headers["Connection"]) == ("1", "close")
        assert (await http.get("/readiness")).status_code == 503
        assert (await http.get("/liveness")).json() == {"status": "alive"}
    assert not await manager.pool.leases()
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://{manager.host}/desktop/sbx/websocket"):
            pass
    assert refused.value.response.status_code == 503


async def test_what_runs_is_waited_for(manager: Manager) -> None:
    """A call that had begun is answered, and then its connection ends, too."""
    (sandbox,) = await manager.lease("base")
    drain: Drain = manager.app.state.drain
    box = manager.backend.engine.containers[sandbox].box
    box.awake.clear()
    async with manager.http() as http:
        path = f"/v1/sandboxes/{sandbox}/tools/run_shell_command"
        call = asyncio.create_task(http.post(path, json={"arguments": {"command": "true"}}))
        while not drain.running:  # noqa: ASYNC110 - no event tells that a call has begun
            await asyncio.sleep(0)
        assert await drain.finish(0.01) == 1
        ending = asyncio.create_task(drain.finish(10))
        box.awake.set()
        answer = await call
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert await ending == 0


async def test_callers_in_line_are_sent_elsewhere(tmp_path: Path) -> None:
    """At once: another manager may have room, and nobody waits here for their patience to end."""
    async with run_manager(tmp_path, max_sandbox_instances=1, pool_size=0) as manager, manager.http() as http:
        await http.post("/v1/leases", json={"session_id": "s1"})
        waiting = asyncio.create_task(http.post("/v1/leases", json={"session_id": "s2", "wait_s": 60}))
        while not manager.pool.admission.to_wire().waiting:  # noqa: ASYNC110 - no event tells that a call waits
            await asyncio.sleep(0)
        assert await manager.app.state.drain.finish(10) == 0
        answer = await waiting
        assert (answer.status_code, answer.json()["code"]) == (503, "draining")


async def test_sessions_that_wait_are_sent_elsewhere(manager: Manager) -> None:
    """A connect that waits for a sandbox to start is work that another manager can do: it ends, and is undone."""
    starting = asyncio.Event()

    async def hold(step: str, _: str) -> None:
        if step == "start":
            starting.set()
            await asyncio.Event().wait()

    manager.backend.hook = hold
    async with manager.http() as http:
        body = {"session_id": "s", "sandbox_types": ["filesystem"]}
        waiting = asyncio.create_task(http.post("/v1/leases", json=body))
        await starting.wait()
        assert await manager.app.state.drain.finish(10) == 0
        answer = await waiting
        assert (answer.status_code, answer.json()["code"]) == (503, "draining")
