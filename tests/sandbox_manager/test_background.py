"""Loops beside the calls go on whatever fails; those of the leader run while it leads and its store is whole."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agentscope_runtime.sandbox.errors import BackendUnavailable, StoreUnavailable
from agentscope_runtime.sandbox_manager import background
from agentscope_runtime.sandbox_manager.background import Leading, looping
from agentscope_runtime.sandbox_manager.membership import Alone


class Turns(Alone):
    """A membership whose every change the test says."""

    def __init__(self) -> None:
        self.is_leader = False
        self.is_whole = True
        self._changed = asyncio.Condition()

    async def become(self, *, leader: bool | None = None, whole: bool | None = None) -> None:
        """Change, and tell."""
        async with self._changed:
            self.is_leader = self.is_leader if leader is None else leader
            self.is_whole = self.is_whole if whole is None else whole
            self._changed.notify_all()

    async def wait_until_leader(self) -> None:
        """See `Membership`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_leader)

    async def wait_until_follower(self) -> None:
        """See `Membership`."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.is_leader)

    async def wait_until_lost(self) -> None:
        """See `Membership`."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.is_whole)


class Refilling:
    """A rebuild that fails as often as it is told to."""

    def __init__(self, turns: Turns, *failures: Exception) -> None:
        self.turns = turns
        self.failures = list(failures)
        self.done = 0

    async def rebuild(self) -> bool:
        """See `Rebuild.rebuild`."""
        if self.failures:
            raise self.failures.pop(0)
        self.done += 1
        await self.turns.become(whole=True)
        return True


class Work:
    """A loop that knows whether it runs."""

    def __init__(self) -> None:
        self.began, self.ended = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def run(self) -> None:
        """Run until cancelled."""
        self.began.release()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.release()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed starts again soon."""
    monkeypatch.setattr(background, "RESTART_AFTER", 0.001)


async def test_what_a_leader_does_it_does_while_it_leads() -> None:
    """It begins with each leadership, and ends with it, and with this manager."""
    turns, work = Turns(), Work()
    refilling = Refilling(turns)
    async with asyncio.timeout(10), looping({"leading": Leading(turns, refilling, {"work": work.run}).run}):  # type: ignore[arg-type]
        for _ in range(2):
            await turns.become(leader=True)
            await work.began.acquire()
            await turns.become(leader=False)
            await work.ended.acquire()
        await turns.become(leader=True)
        await work.began.acquire()
    await work.ended.acquire()
    assert refilling.done == 0, "the store knew everything"


async def test_a_store_that_lost_everything_is_filled_before_anything_else(caplog: pytest.LogCaptureFixture) -> None:
    """As often as it takes; until then nothing that goes by what it says is done."""
    turns, work = Turns(), Work()
    refilling = Refilling(turns, BackendUnavailable("the engine is away"), StoreUnavailable("lost again"))
    await turns.become(leader=True)
    async with asyncio.timeout(10), looping({"leading": Leading(turns, refilling, {"work": work.run}).run}):  # type: ignore[arg-type]
        await work.began.acquire()
        await turns.become(whole=False)
        await work.ended.acquire()
        await work.began.acquire()
        assert (refilling.done, refilling.failures) == (1, [])
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1 and "the engine is away" in warned[0], "not at each try"


async def test_a_store_that_is_away_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    """It is warned of once; a bug has its traceback each time; both loops go on."""
    seen: dict[str, int] = {"away": 0, "bug": 0}
    enough = asyncio.Event()

    async def away() -> None:
        seen["away"] += 1
        if seen["away"] > 3 and seen["bug"] > 3:
            enough.set()
        raise StoreUnavailable("Redis is away")

    async def bug() -> None:
        seen["bug"] += 1
        raise RuntimeError("a bug")

    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(10), looping({"away": away, "bug": bug}):
            await enough.wait()
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warned] == ["away waits: Redis is away"]
    assert len([record for record in caplog.records if record.exc_info]) >= 3
