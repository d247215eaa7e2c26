"""The last events, and how managers hear of each other's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from virtual_time import clock, settle, virtual

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.events import SandboxReady, SandboxStoppingElsewhere
from agentscope_runtime.sandbox_manager.feed import AT_ONCE, KEPT, LISTEN_ON, Feed


def ready(number: int) -> SandboxReady:
    """Name an event."""
    return SandboxReady(f"sbx-{number}", "base", 0.5)


class Hall:
    """Where managers hear each other, unless it is closed."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.ears: list[asyncio.Queue[str]] = []
        self.closed = False

    async def say(self, text: str) -> None:
        """See `feed.Channel`."""
        if self.closed:
            raise StoreUnavailable("closed")
        self.said.append(text)
        for ear in self.ears:
            ear.put_nowait(text)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[str]]:
        """See `feed.Channel`."""
        ear: asyncio.Queue[str] = asyncio.Queue()
        self.ears.append(ear)
        try:
            yield self._texts(ear)
        finally:
            self.ears.remove(ear)

    async def _texts(self, ear: asyncio.Queue[str]) -> AsyncIterator[str]:
        while True:
            yield await ear.get()


@pytest.fixture
async def tasks() -> AsyncIterator[list[asyncio.Task[Any]]]:
    """End these after the test."""
    running: list[asyncio.Task[Any]] = []
    yield running
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_reader_gets_what_follows_the_number_it_has() -> None:
    """In order, some at a time, each with when, where and what."""
    feed = Feed(clock=lambda: 7.0)
    note = feed.of("mgr-1")
    for number in range(AT_ONCE + 5):
        note(ready(number))
    first = feed.after(0)
    assert (first.missed, first.first, len(first.bodies)) == (0, 1, AT_ONCE)
    assert first.bodies[3] == {
        "at": 7.0,
        "manager": "mgr-1",
        "event": "sandbox_ready",
        "sandbox_id": "sbx-3",
        "sandbox_type": "base",
        "took": 0.5,
    }
    rest = feed.after(AT_ONCE)
    assert (rest.first, [body["sandbox_id"] for body in rest.bodies][-1]) == (AT_ONCE + 1, f"sbx-{AT_ONCE + 4}")
    assert feed.after(feed.newest).bodies == []


async def test_who_falls_behind_is_told_how_far() -> None:
    """Memory is bounded by the feed, not by its slowest reader."""
    feed = Feed(kept=10)
    note = feed.of("mgr-1")
    for number in range(1, 26):
        note(ready(number))
    batch = feed.after(3)
    assert (batch.missed, batch.first, batch.bodies[0]["sandbox_id"]) == (12, 16, "sbx-16")
    assert len(batch.bodies) == 10


async def test_ids_lead_back_to_their_place_here_only() -> None:
    """An id of another feed, of the future or of nobody begins with what happens next."""
    feed, other = Feed(), Feed()
    for number in range(5):
        feed.of("mgr-1")(ready(number))
    assert feed.number_of(feed.id_of(3)) == 3
    for unknown in ("", "3", other.id_of(3), feed.id_of(99), feed.id_of(3) + "x", "-1"):
        assert feed.number_of(unknown) == 5


async def test_waiting_ends_with_the_next_event(tasks: list[asyncio.Task[Any]]) -> None:
    """Not before."""
    feed = Feed()
    tasks.append(asyncio.create_task(feed.beyond(0)))
    await asyncio.sleep(0)
    assert not tasks[0].done()
    feed.of("mgr-1")(ready(1))
    await tasks[0]


@virtual
async def test_managers_hear_each_other_while_somebody_watches() -> None:
    """In few messages, each event once, and nothing of what only repeats another manager's."""
    hall = Hall()
    here, there = Feed(clock=clock), Feed(clock=clock)
    running = [
        asyncio.create_task(each)
        for each in (here.tell(hall), here.hear(hall, "mgr-1"), there.tell(hall), there.hear(hall, "mgr-2"))
    ]
    await settle()
    there.of("mgr-2")(ready(1))
    await asyncio.sleep(1.0)
    assert here.newest == 0  # nobody watches
    with here.reading():
        await settle()
        for number in range(20):
            there.of("mgr-2")(ready(number))
        there.of("mgr-2")(SandboxStoppingElsewhere("sbx-1", "base", None, "was released"))
        here.of("mgr-1")(ready(99))
        await asyncio.sleep(1.0)
        bodies = here.after(0).bodies
        assert [body["manager"] for body in bodies] == ["mgr-1"] + ["mgr-2"] * 20
        assert len(hall.said) == 3
    await asyncio.sleep(LISTEN_ON + 1)
    there.of("mgr-2")(ready(1))
    await asyncio.sleep(1.0)
    assert not hall.ears
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@virtual
async def test_what_could_not_be_told_is_told_later_as_far_as_it_is_remembered() -> None:
    """A channel that is closed for hours costs no memory."""
    hall = Hall()
    hall.closed = True
    feed = Feed(clock=clock)
    telling = asyncio.create_task(feed.tell(hall))
    await settle()
    for number in range(KEPT + 5):
        feed.of("mgr-1")(ready(number))
    with pytest.raises(StoreUnavailable):
        await telling
    hall.closed = False
    telling = asyncio.create_task(feed.tell(hall))
    await asyncio.sleep(1.0)
    (said,) = hall.said
    assert [body["sandbox_id"] for body in json.loads(said)] == [f"sbx-{number}" for number in range(5, KEPT + 5)]
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)


def test_a_number_that_is_none_is_that_of_the_newest() -> None:
    """Also one of thousands of digits, which Python refuses to read."""
    feed = Feed()
    for digits in ("9" * 5000, "-1", "", "x"):
        assert feed.number_of(f"{feed.id_of(1).partition('-')[0]}-{digits}") == feed.newest == 0
