"""Sandboxes that are kept as long as the handler runs that connected them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from pathlib import Path

import pytest
from scripted_manager import KEY, ScriptedManager
from served_manager import KEY as MANAGERS_KEY
from served_manager import manager as served_manager
from virtual_time import virtual

from agentscope_runtime.engine.services import keepalive
from agentscope_runtime.engine.services.keepalive import HANDLING, Handling, Renew, handling, in_a_thread
from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InvalidRequest, SandboxNotFound, Unavailable
from agentscope_runtime.sandbox_manager.events import Event, LeaseSuspended


async def at_once(renew: Renew) -> bool:
    """Renew without a thread, for time that is not real."""
    return renew()


def held(current: Handling) -> dict[str, list[str]]:
    """Return the sandboxes that are renewed, by session."""
    found: dict[str, list[str]] = {}
    for what, one in current._held.items():
        assert isinstance(what, tuple)
        assert isinstance(one.renew, keepalive._Renewal)
        found[what[1][0]] = one.renew.ids
    return found


def every(current: Handling) -> list[float]:
    """Return how often what is held is renewed."""
    return [one.every for one in current._held.values()]


@virtual
async def test_what_is_held_is_renewed_until_the_end() -> None:
    """Each thing in its own time; what is let go, or says that nothing is left, no more."""
    times: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    now = asyncio.get_running_loop().time

    def renewing(what: str, left: int = 99) -> Renew:
        def renew() -> bool:
            times[what].append(now())
            return len(times[what]) < left

        return renew

    async with handling("u", "s", in_thread=at_once) as current:
        assert (current.user_id, current.session_id) == ("u", "s")
        current.hold("a", renewing("a"), 60)
        current.hold("b", renewing("b"), 10)
        current.hold("c", renewing("c", left=2), 60)
        await asyncio.sleep(35)
        current.let_go("b")
        await asyncio.sleep(200)
    await asyncio.sleep(1000)
    assert times == {"a": [60, 120, 180], "b": [10, 20, 30], "c": [60, 120]}
    assert HANDLING.get() is None


@virtual
async def test_the_last_word_counts() -> None:
    """Held again, also when a renewal has just found nothing left."""
    renewed: list[str] = []

    def renewing(what: str, is_left: bool) -> Renew:
        def renew() -> bool:
            renewed.append(what)
            return is_left

        return renew

    async with handling("u", "s", in_thread=at_once) as current:

        def found_nothing() -> bool:
            current.hold("a", renewing("new", True), 60)
            return renewing("old", False)()

        current.hold("a", found_nothing, 60)
        await asyncio.sleep(200)
        current.let_go("a")
        await asyncio.sleep(60)
        current.hold("a", renewing("later", False), 60)
        await asyncio.sleep(200)
    assert renewed == ["old", "new", "new", "later"]


@pytest.mark.parametrize(("idle", "expected"), [(None, 60), (300, 60), (30, 10), (0.3, 0.1)])
async def test_a_hasty_manager_is_asked_more_often(idle: float | None, expected: float) -> None:
    """Three times in the time after which it releases; never less than once a minute."""
    lease = wire.LeaseInfo(session_id="s", user_id="u", sandboxes=[], idle_timeout=idle)
    async with handling("u", "s") as current:
        keepalive.keep(("x", ("s", "u")), lease, lambda: pytest.fail("too early"))
        assert every(current) == [pytest.approx(expected)]


async def test_a_long_run_keeps_its_sandboxes(tmp_path: Path) -> None:
    """A real manager releases nothing before the run is over, however long nobody calls a tool; then it does."""
    renewed = asyncio.Event()
    ended = asyncio.Event()

    async def noticed(renew: Renew) -> bool:
        result = await in_a_thread(renew)
        renewed.set()
        return result

    def notice(event: Event) -> None:
        if isinstance(event, LeaseSuspended):
            ended.set()

    async with served_manager(tmp_path, heartbeat_timeout=0.3, watcher_scan_interval=0.01) as manager:
        with manager.pool.events.subscribed(notice):
            service = SandboxService(manager.url, MANAGERS_KEY)
            async with handling("u", "s", in_thread=noticed) as current:
                boxes = await service.connect_async("s", "u", ["browser", "base"])
                assert every(current) == [pytest.approx(0.1)]
                for _ in range(5):
                    renewed.clear()
                    await asyncio.wait_for(renewed.wait(), 10)
                    manager.clock.now += 0.25
                assert not ended.is_set()
                assert held(current)["s"] == [box.sandbox_id for box in boxes]
            manager.clock.now += 0.4
            await asyncio.wait_for(ended.wait(), 10)
            await service.stop()


async def test_every_way_to_connect_is_noticed(manager: ScriptedManager) -> None:
    """From the loop and from threads that have the handler's context, asynchronously or not; releasing is, too."""
    async with SandboxService(manager.url, KEY) as service, handling("u", "s") as current:
        (first,) = service.connect("sync", "u")
        (second,) = await service.connect_async("async", "u")
        (third,) = await asyncio.to_thread(service.connect, "thread", "u")
        (more,) = service.connect("sync", "u", ["browser"])
        assert held(current) == {
            "sync": [more.sandbox_id, first.sandbox_id],
            "async": [second.sandbox_id],
            "thread": [third.sandbox_id],
        }
        service.release("sync", "u")
        await service.release_async("async", "u")
        assert list(held(current)) == ["thread"]


async def test_without_a_run_nothing_is_kept(manager: ScriptedManager) -> None:
    """Nor after it: a thread that goes on keeps nothing."""
    async with SandboxService(manager.url, KEY) as service:
        service.connect("s", "u")
        async with handling("u", "s") as current:
            context = contextvars.copy_context()
        await asyncio.to_thread(context.run, service.connect, "s", "u")
        await asyncio.sleep(0)
        assert not current._tasks


async def test_runs_keep_their_own(manager: ScriptedManager) -> None:
    """What one connects is not renewed by another that runs at the same time."""
    async with SandboxService(manager.url, KEY) as service:

        async def run(session: str) -> list[str]:
            async with handling("u", session) as current:
                await service.connect_async(session, "u")
                await asyncio.sleep(0)
                return list(held(current))

        assert await asyncio.gather(*(run(f"s{number}") for number in range(5))) == [[f"s{n}"] for n in range(5)]


async def test_a_renewal_uses_a_sandbox_and_leases_none(manager: ScriptedManager) -> None:
    """The next one of the lease where the first is gone; when all are, it ends."""
    async with SandboxService(manager.url, KEY) as service, handling("u", "s") as current:
        first, second = service.connect("s", "u", ["base", "browser"])
        ((_, one),) = current._held.items()
        assert one.renew()
        manager.then_refuse(SandboxNotFound("gone"))
        assert one.renew()
        assert held(current)["s"] == [second.sandbox_id]
        manager.leases.clear()
        assert not one.renew()
        asked = [path.split("/")[3] for path in manager.paths() if path.endswith("/touch")]
        assert asked == [first.sandbox_id, first.sandbox_id, second.sandbox_id, second.sandbox_id]
        assert manager.paths().count("POST /v1/leases") == 1


async def test_a_renewal_that_fails_is_tried_again(manager: ScriptedManager, caplog: pytest.LogCaptureFixture) -> None:
    """The log says why; a service that was stopped has nothing to renew."""
    service = SandboxService(manager.url, KEY)
    async with handling("u", "s") as current:
        await service.connect_async("s", "u")
        ((_, one),) = current._held.items()
        manager.then_refuse(Unavailable("the engine is busy"))
        with caplog.at_level(logging.WARNING, "agentscope_runtime"):
            assert one.renew()
        assert "could not be kept for the handler that uses it: the engine is busy" in caplog.text
        await service.stop()
        assert not one.renew()
        with pytest.raises(InvalidRequest):
            service._way.link()


async def test_the_end_waits_for_no_renewal(manager: ScriptedManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager that does not answer does not hold up the answer of an agent."""
    monkeypatch.setattr(keepalive, "KEEPALIVE_S", 0.01)
    async with SandboxService(manager.url, KEY) as service:
        async with handling("u", "s") as current:
            await service.connect_async("s", "u")
            manager._heard.clear()
            manager.then_be_silent()
            await asyncio.to_thread(manager.wait_for_a_request)
            end = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - end < 1
        assert not current._tasks
        manager.end_silence()


async def test_threads_that_handlers_occupy_are_not_needed(manager: ScriptedManager) -> None:
    """Renewals have a thread, however many handlers block the others."""
    import anyio.to_thread

    limiter = anyio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    async with limiter, handling("u", "s"):
        assert await asyncio.wait_for(in_a_thread(lambda: True), 10)
    limiter.total_tokens = 40


async def acting(current: Handling, begun: asyncio.Event, told: list[str], patience: float = 0) -> None:
    """Act for a run until it is cancelled, and then for a while."""
    with current.accompanied_by(asyncio.current_task()):  # type: ignore[arg-type]
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(patience)
            told.append("ended")


@virtual
async def test_a_run_that_fails_takes_along_what_acts_for_it() -> None:
    """Tasks beside the handler are cancelled and waited for, also one that was begun by another; others go on."""
    begun, told = asyncio.Event(), list[str]()
    with pytest.raises(KeyError):
        async with handling("u", "s") as current:
            other = asyncio.create_task(asyncio.sleep(3))
            task = asyncio.create_task(acting(current, begun, told, patience=1))
            await begun.wait()
            raise KeyError
    assert (told, task.cancelled(), other.done()) == (["ended"], True, False)
    await other


@virtual
async def test_what_does_not_end_with_its_run_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    """After some patience, with a word in the log."""
    begun, told = asyncio.Event(), list[str]()
    with pytest.raises(KeyError), caplog.at_level(logging.WARNING, "agentscope_runtime"):
        async with handling("u", "s") as current:
            task = asyncio.create_task(acting(current, begun, told, patience=60))
            await begun.wait()
            raise KeyError
    assert asyncio.get_running_loop().time() == keepalive.PATIENCE_S
    assert "goes on, although the run of session 's' is over" in caplog.text
    await asyncio.wait({task})


@virtual
async def test_a_run_that_comes_to_its_end_stops_nobody() -> None:
    """What a handler has begun deliberately goes on after it."""
    begun, told = asyncio.Event(), list[str]()
    async with handling("u", "s") as current:
        task = asyncio.create_task(acting(current, begun, told))
        await begun.wait()
    await asyncio.sleep(10)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
