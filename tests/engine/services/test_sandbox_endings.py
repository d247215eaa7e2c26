"""How the service ends: what it releases, what it leaves, and who comes too late."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox.errors import InvalidRequest, PoolExhausted, StartFailed


def to(manager: ScriptedManager, **more: bool) -> SandboxService:
    """Make a service of this manager."""
    return SandboxService(manager.url, KEY, **more)


async def test_stop_releases_its_own_and_nothing_else(manager: ScriptedManager) -> None:
    """Another instance's sessions, and those released before, are left alone."""
    async with to(manager) as other:
        other.connect("theirs", "u")
        async with to(manager) as service:
            service.connect("mine", "u")
            await service.connect_async("mine-too", "u")
            service.connect("done", "u")
            assert service.release("done", "u") is True
            assert await service.release_async("never", "u") is True
        assert list(manager.leases) == [("theirs", "u")]
        assert len([path for path in manager.paths() if path.startswith("DELETE")]) == 4
    assert not manager.leases


async def test_stop_may_leave_the_sessions(manager: ScriptedManager) -> None:
    """With drain_on_stop=False what is connected stays connected."""
    async with to(manager, drain_on_stop=False) as service:
        service.connect("s", "u")
    assert list(manager.leases) == [("s", "u")]


async def test_a_refused_session_is_not_released(manager: ScriptedManager) -> None:
    """What was never granted is not this instance's to release: another one may hold it."""
    async with to(manager) as service:
        manager.then_refuse(PoolExhausted("all 3 sandboxes are taken"))
        with pytest.raises(PoolExhausted):
            service.connect("s", "u")
    assert manager.paths() == ["POST /v1/leases"]


async def test_a_cancelled_connect_is_released_at_the_stop(manager: ScriptedManager) -> None:
    """What may have been granted is released."""
    async with to(manager) as service:
        manager.then_be_silent()
        task = asyncio.create_task(service.connect_async("s", "u"))
        await asyncio.to_thread(manager.wait_for_a_request)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert manager.paths() == ["POST /v1/leases", "DELETE /v1/leases"]


async def test_a_session_that_still_connects_is_released_at_the_stop(manager: ScriptedManager) -> None:
    """Stopping does not forget those who are waiting."""
    service = to(manager)
    await service.start()
    manager.then_be_silent()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(service.connect, "s", "u")
        await asyncio.to_thread(manager.wait_for_a_request)
        await service.stop()
        assert manager.paths() == ["POST /v1/leases", "DELETE /v1/leases"]
        manager.end_silence()
        with pytest.raises(InvalidRequest, match="could not connect base: what it was called on is closed"):
            waiting.result(10)


async def test_all_is_released_even_where_one_fails(manager: ScriptedManager) -> None:
    """The first failure is raised after everything else was done, and the service is stopped."""
    service = to(manager)
    for name in ("a", "b", "c"):
        service.connect(name, "u")
    manager.then_refuse(StartFailed("no luck"))
    with pytest.raises(StartFailed, match="no luck"):
        await service.stop()
    assert len(manager.leases) == 1
    with pytest.raises(InvalidRequest, match="is stopped"):
        service.connect("a", "u")


def test_a_stop_may_overtake_a_call(manager: ScriptedManager) -> None:
    """Whoever was about to ask when the service stopped is told so, and leaves nothing behind."""

    class Overtaken(SandboxService):
        def _open(self) -> None:
            super()._open()
            self.close()

    with pytest.raises(InvalidRequest, match="is stopped"):
        Overtaken(manager.url, KEY).connect("s", "u")
    with pytest.raises(InvalidRequest, match="is stopped"):
        Overtaken(manager.url, KEY).release("s", "u")
    assert not manager.seen


async def test_a_stop_may_overtake_an_asynchronous_call(manager: ScriptedManager) -> None:
    """The same, where the stop comes while the manager is being found."""

    class Overtaken(SandboxService):
        async def _open_async(self) -> None:
            await super()._open_async()
            await self.stop()

    with pytest.raises(InvalidRequest, match="is stopped"):
        await Overtaken(manager.url, KEY).connect_async("s", "u")
    with pytest.raises(InvalidRequest, match="is stopped"):
        await Overtaken(manager.url, KEY).release_async("s", "u")
    assert not manager.seen


async def test_nothing_begins_while_the_service_stops(manager: ScriptedManager) -> None:
    """From the first moment of a stop, neither connect nor health opens a connection that nobody would close."""
    stopping, may_go_on = threading.Event(), threading.Event()

    class Slow(SandboxService):
        def close(self) -> None:
            stopping.set()
            assert may_go_on.wait(10)
            super().close()

    service = Slow(manager.url, KEY)
    await service.connect_async("s", "u")
    stop = asyncio.create_task(service.stop())
    assert await asyncio.to_thread(stopping.wait, 10)
    try:
        assert not await service.health()
        with pytest.raises(InvalidRequest, match="is stopped"):
            await service.connect_async("late", "u")
    finally:
        may_go_on.set()
    await stop
    assert not manager.leases
    assert manager.paths() == ["POST /v1/leases", "DELETE /v1/leases"]


async def test_a_session_that_connects_too_late_is_refused(manager: ScriptedManager) -> None:
    """Between opening and asking, a stop counts: else it would not release what it does not know of."""

    class Late(SandboxService):
        def _open(self) -> None:
            super()._open()
            self._way.stopped = True

    service = Late(manager.url, KEY)
    with pytest.raises(InvalidRequest, match="is stopped"):
        service.connect("s", "u")
    assert not manager.seen
