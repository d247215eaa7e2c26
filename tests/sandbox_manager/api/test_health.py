"""Whether the manager lives, and whether it can serve."""

from __future__ import annotations

import asyncio
from pathlib import Path

from served_manager import Manager, served
from served_manager import manager as run_manager

from agentscope_runtime.sandbox.errors import StartFailed
from agentscope_runtime.sandbox_manager.api import create_app
from agentscope_runtime.sandbox_manager.backends import Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend
from agentscope_runtime.sandbox_manager.events import Event, RefillDelayed, SandboxReady
from agentscope_runtime.sandbox_manager.settings import Settings


async def test_health_names_the_version(manager: Manager) -> None:
    """A client may look whom it talks to."""
    async with manager.http(key=False) as http:
        answer = (await http.get("/health")).json()
        assert answer["status"] == "healthy"
        assert answer["version"]
        assert (await http.get("/liveness")).json() == {"status": "alive"}


async def test_readiness_waits_for_the_pool_once(tmp_path: Path) -> None:
    """While the pool fills it says what is missing; a lease later on does not make it unready."""
    gate = asyncio.Event()

    async def hold(step: str, _: str) -> None:
        if step == "start":
            await gate.wait()

    backend = FakeBackend(Owner("installation", "manager"), hook=hold)
    app = create_app(Settings(state_dir=tmp_path, port=0, pool_size=2), backend=backend)
    async with served(app) as url:
        manager = Manager(app, url, None, backend)  # type: ignore[arg-type]
        async with manager.http(key=False) as http:
            answer = await http.get("/readiness")
            assert answer.status_code == 503
            assert answer.json()["status"] == "starting"
            assert answer.json()["missing"]["base"]["target"] == 2
            ready, seen = asyncio.Event(), []

            def note(event: Event) -> None:
                seen.extend([event] if isinstance(event, SandboxReady) else [])
                if len(seen) == 2:
                    ready.set()

            with manager.pool.events.subscribed(note):
                gate.set()
                await ready.wait()
            answer = await http.get("/readiness")
            assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
            backend.hook = _fail
            for record in await manager.pool.sandboxes():
                await manager.pool.release_sandbox(record.sandbox_id)
            assert (await http.get("/readiness")).status_code == 200
    await backend.aclose()


async def _fail(step: str, _: str) -> None:
    if step == "start":
        raise StartFailed("the disk is full")


async def test_readiness_tells_why_not(tmp_path: Path) -> None:
    """Where starts fail, the reason is in the answer."""
    backend = FakeBackend(Owner("installation", "manager"), hook=_fail)
    app = create_app(Settings(state_dir=tmp_path, port=0), backend=backend)
    failed = asyncio.Event()
    async with served(app) as url:
        manager = Manager(app, url, None, backend)  # type: ignore[arg-type]
        with manager.pool.events.subscribed(lambda event: failed.set() if isinstance(event, RefillDelayed) else None):
            while not (await manager.pool.report()).types["base"].failures.count:
                await failed.wait()
        async with manager.http(key=False) as http:
            answer = await http.get("/readiness")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failing"
    assert "the disk is full" in answer.json()["missing"]["base"]["reason"]
    await backend.aclose()


async def test_an_empty_pool_is_full(tmp_path: Path) -> None:
    """A manager that keeps nothing warm is ready at once."""
    async with run_manager(tmp_path, pool_size=0) as manager, manager.http(key=False) as http:
        assert (await http.get("/readiness")).status_code == 200
