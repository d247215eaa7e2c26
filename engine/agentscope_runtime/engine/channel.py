"""Events on their way from the run that makes them to the one reader; bounded, so that a slow reader holds the run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from enum import Enum

from agentscope_runtime.engine.schemas.event import Event


class State(Enum):
    """What is still to come."""

    OPEN = "open"  #: more, perhaps
    FINISHED = "finished"  #: nothing but what is unread
    DROPPED = "dropped"  #: nothing: the reader is gone for good


MAY_BECOME = {
    State.OPEN: {State.FINISHED, State.DROPPED},
    State.FINISHED: {State.FINISHED, State.DROPPED},
    State.DROPPED: {State.DROPPED},
}
"""The moves; any other is asked for in vain, such as the producer's end when nobody reads any more."""


class Channel:
    """One producer, one reader. What was put is read in the same order, and all that is there at once."""

    def __init__(self, limit: int = 256) -> None:
        """Make an empty one; the producer waits while `limit` events are unread."""
        self._limit = limit
        self._unread: list[Event] = []
        self._news = asyncio.Event()  # there is something for the reader, or nothing will ever be
        self._room = asyncio.Event()  # the producer may go on
        self._state = State.OPEN

    async def put(self, events: Sequence[Event]) -> None:
        """Hand over events, however many, once there is room; without a reader they go nowhere."""
        while len(self._unread) >= self._limit:
            self._room.clear()
            await self._room.wait()
        if self._state is State.DROPPED:
            await asyncio.sleep(0)  # nobody holds this producer any more: others shall get their turn
        self.add(events)

    def add(self, events: Sequence[Event]) -> None:
        """Hand over events that cannot wait, above the limit if need be: the last ones, and those in hand."""
        if events and self._state is not State.DROPPED:
            self._unread += events
            self._news.set()

    def finish(self) -> None:
        """Say that nothing more will come; what is unread can still be read."""
        self._become(State.FINISHED)

    def drop(self) -> None:
        """Say that the reader is gone for good: nothing is kept, and nobody waits any more."""
        self._become(State.DROPPED)
        self._take()

    async def batches(self) -> AsyncGenerator[list[Event]]:
        """Yield all that is unread, at least one event each time, until the producer has finished."""
        while True:
            await self._news.wait()
            self._news.clear()
            if batch := self._take():
                yield batch
            if self._state is not State.OPEN and not self._unread:
                return

    def _become(self, state: State) -> None:
        if state in MAY_BECOME[self._state]:
            self._state = state
        self._news.set()

    def _take(self) -> list[Event]:
        batch, self._unread = self._unread, []
        self._room.set()
        return batch
