"""A manager that is about to end."""

from __future__ import annotations

import asyncio

import pytest
from served_manager import Manager
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
