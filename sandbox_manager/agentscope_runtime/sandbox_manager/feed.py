"""What happens, for those who watch: the last events, numbered, read by any number of readers at their own speed.

Nothing is kept for a reader but the number that it has come to, so that one who is slow, or gone, costs nothing; who
falls too far behind is told how much it missed. Managers of one installation tell each other (`share`), as well as they
can: what happens while their Redis is away, others do not hear.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.events import Event, SandboxStoppingElsewhere, told

KEPT = 1024
"""Events that are remembered."""
AT_ONCE = 64
"""Of them, those that a reader is given at a time."""
TELL_EVERY = 0.05
"""Seconds in which events are gathered for the other managers: each telling is a message to all of them."""
NUMBER_MAX = 19
"""Digits; those of no number here, and Python refuses to read thousands of them."""
LISTEN_ON = 60.0
"""Seconds that other managers are heard after the last reader left: it may come back, and ask what it missed."""

Body = dict[str, Any]


class Channel(Protocol):
    """What managers of one installation say to each other."""

    async def say(self, text: str) -> None:
        """Say it to all who listen, oneself included.

        Raises:
            StoreUnavailable: Nobody can hear now.
        """

    def listening(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Hear what is said while the context is open.

        Raises:
            StoreUnavailable: Nothing can be heard now, or any more.
        """


@dataclass(frozen=True, slots=True)
class Batch:
    """What a reader gets at a time."""

    missed: int
    """How many came and went before it asked."""
    first: int
    """The number of the first of these."""
    bodies: list[Body]


class Feed:
    """The last events, of this manager and of those that it hears."""

    def __init__(self, *, clock: Callable[[], float] = time.time, kept: int = KEPT) -> None:
        """Begin with none."""
        self._clock = clock
        self._kept: deque[tuple[float, str, Event | Body]] = deque(maxlen=kept)
        self._name = secrets.token_hex(4)
        self._next = 1  # the number of the next one
        self._more = asyncio.Event()  # replaced with each event
        self._untold: deque[tuple[float, str, Event | Body]] | None = None
        self._to_tell = asyncio.Event()
        self._readers = 0
        self._read = asyncio.Event()  # set while there are readers
        self._left_at = float("-inf")

    def of(self, manager: str) -> Callable[[Event], None]:
        """Return a subscriber that takes in what happens at this manager."""

        def note(event: Event) -> None:
            if not isinstance(event, SandboxStoppingElsewhere):  # whose own event comes from there
                entry = (self._clock(), manager, event)
                self._add(entry)
                if self._untold is not None:
                    self._untold.append(entry)
                    self._to_tell.set()

        return note

    @property
    def newest(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._next - 1

    def id_of(self, number: int) -> str:
        """Return what this event is called, here and never elsewhere."""
        return f"{self._name}-{number}"

    def number_of(self, event_id: str) -> int:
        """Return the number of the event of this name; of any other, that of the newest."""
        name, _, number = event_id.rpartition("-")
        known = name == self._name and number.isdecimal() and len(number) < NUMBER_MAX
        return min(int(number), self.newest) if known else self.newest

    def after(self, number: int) -> Batch:
        """Return some of what followed this number."""
        oldest = self._next - len(self._kept)
        first = max(number + 1, oldest)
        entries = islice(self._kept, first - oldest, first - oldest + AT_ONCE)
        return Batch(first - number - 1, first, [_body(entry) for entry in entries])

    async def beyond(self, number: int) -> None:
        """Return when there is something newer than this number."""
        while self.newest <= number:
            await self._more.wait()

    @property
    def is_read(self) -> bool:
        """Whether there are readers."""
        return self._readers > 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count as a reader while the context is open: only then other managers are heard."""
        self._readers += 1
        self._read.set()
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._read.clear()
                self._left_at = self._clock()

    async def tell(self, channel: Channel) -> None:
        """Say what happens here to other managers, until cancelled; the oldest is lost if nobody can hear for long.

        Raises:
            StoreUnavailable: Nobody can hear now; try again.
        """
        untold = self._untold or deque(maxlen=self._kept.maxlen)
        while True:
            self._untold = untold
            await self._to_tell.wait()
            await asyncio.sleep(TELL_EVERY)
            self._to_tell.clear()
            entries = list(untold)
            untold.clear()
            try:
                await channel.say(json.dumps([_body(entry) for entry in entries]))
            except StoreUnavailable:
                self._untold = deque([*entries, *untold], maxlen=self._kept.maxlen)
                self._to_tell.set()
                raise

    async def hear(self, channel: Channel, manager: str) -> None:
        """Take in what other managers than this one say, while somebody reads, until cancelled.

        Raises:
            StoreUnavailable: Nothing can be heard now; try again.
        """
        while True:
            await self._read.wait()
            async with channel.listening() as texts:
                async for text in texts:
                    self._take_in(json.loads(text), manager)
                    if not self._readers and self._clock() - self._left_at > LISTEN_ON:
                        break

    def _take_in(self, bodies: Iterable[Body], manager: str) -> None:
        for body in bodies:
            if body["manager"] != manager:
                self._add((body["at"], body["manager"], body))

    def _add(self, entry: tuple[float, str, Event | Body]) -> None:
        self._kept.append(entry)
        self._next += 1
        more, self._more = self._more, asyncio.Event()
        more.set()


def _body(entry: tuple[float, str, Event | Body]) -> Body:
    at, manager, event = entry
    return {"at": at, "manager": manager, **told(event)} if isinstance(event, Event) else event
