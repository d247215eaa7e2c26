"""Journals: what is only ever written at its end, entry by entry, and bounded: the oldest entries make room.

Session histories and memories are journals. Each belongs to a user and has a name; an entry is a record (`records`)
under a label, by which it can be struck out: the id of a message, or the session that a memory comes from. Here is what
they can do, and how they are kept in memory; `redis_journals` keeps them in Redis.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.services.base import Service, not_started
from agentscope_runtime.engine.services.keys import quoted
from agentscope_runtime.engine.services.shelf import Shelf

Entry = tuple[str, bytes]
"""A label, and the record."""

LARGEST_SHARE = 8
"""One journal takes at most this part of the memory for all: else a single session could push out every other one."""


class Journals(Service, ABC):
    """Where journals are kept. Each verb is one atomic step, whoever else is at the same journal."""

    @abstractmethod
    async def begin(self, owner: str, name: str) -> None:
        """See to it that there is a journal of this name; an existing one stays as it is."""

    @abstractmethod
    async def append(self, owner: str, name: str, entries: Collection[Entry]) -> None:
        """Write entries, together, at the end of a journal, which begins with them if there is none."""

    @abstractmethod
    async def read(self, owner: str, name: str, start: int = 0, stop: int | None = None) -> list[bytes] | None:
        """Return the records from one place up to another, the oldest first; None if there is no such journal."""

    @abstractmethod
    async def strike(self, owner: str, name: str, labels: Collection[str]) -> int:
        """Take out the entries with these labels; return how many there were."""

    @abstractmethod
    async def drop(self, owner: str, *names: str) -> None:
        """Forget journals; those that do not exist are fine."""

    @abstractmethod
    async def names(self, owner: str) -> list[str]:
        """Return the names of a user's journals, the one not used for longest first."""

    @abstractmethod
    async def clear(self) -> None:
        """Forget all journals of all users."""


@dataclass(slots=True)
class _Journal:
    entries: deque[Entry] = field(default_factory=deque)
    size: int = 0

    def append(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.entries.append(entry)
            self.size += _size(entry)

    def shorten(self, most_entries: int | None, most_bytes: int) -> None:
        """Give up the oldest entries; the newest stays, however large it is."""
        while len(self.entries) > 1 and (
            self.size > most_bytes or (most_entries is not None and len(self.entries) > most_entries)
        ):
            self.size -= _size(self.entries.popleft())


class MemoryJournals(Journals):
    """Journals in this process, for as long as it lives."""

    def __init__(
        self,
        *,
        most_entries: int | None,
        ttl_seconds: float | None,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe them.

        Args:
            most_entries: How many entries a journal has at most; None for no such limit.
            ttl_seconds: Seconds without use after which a journal is gone; None for never.
            max_bytes: What all journals may have together.
            clock: Tells the seconds.
        """
        check_most(most_entries)
        self._most_entries = most_entries
        self._most_bytes = max_bytes // LARGEST_SHARE
        self._shelf: Shelf[_Journal] = Shelf(ttl_seconds=ttl_seconds, max_bytes=max_bytes, clock=clock)
        # Sync handlers run in threads, and some of them bring an event loop of their own.
        self._lock = threading.Lock()
        self._runs = False

    async def start(self) -> None:
        """Take entries from now on."""
        self._runs = True

    async def stop(self) -> None:
        """Forget everything."""
        with self._lock:
            self._runs = False
            self._shelf.clear()

    async def health(self) -> bool:
        """Tell whether it was started."""
        return self._runs

    async def begin(self, owner: str, name: str) -> None:
        """See `Journals`."""
        await self.append(owner, name, ())

    async def append(self, owner: str, name: str, entries: Collection[Entry]) -> None:
        """See `Journals`."""
        with self._lock:
            journal = self._find(owner, name) or _Journal()
            journal.append(entries)
            journal.shorten(self._most_entries, self._most_bytes)
            self._shelf.put((owner, name), journal)

    async def read(self, owner: str, name: str, start: int = 0, stop: int | None = None) -> list[bytes] | None:
        """See `Journals`."""
        with self._lock:
            journal = self._find(owner, name)
            return None if journal is None else [record for _, record in list(journal.entries)[start:stop]]

    async def strike(self, owner: str, name: str, labels: Collection[str]) -> int:
        """See `Journals`."""
        with self._lock:
            if (journal := self._find(owner, name)) is None:
                return 0
            left = _Journal()
            left.append(entry for entry in journal.entries if entry[0] not in labels)
            self._shelf.put((owner, name), left)
            return len(journal.entries) - len(left.entries)

    async def drop(self, owner: str, *names: str) -> None:
        """See `Journals`."""
        with self._lock:
            self._check(owner, *names)
            for name in names:
                self._shelf.drop((owner, name))

    async def names(self, owner: str) -> list[str]:
        """See `Journals`."""
        with self._lock:
            self._check(owner)
            return [name for whose, name in self._shelf.keys() if whose == owner]  # noqa: SIM118 - no dictionary

    async def clear(self) -> None:
        """See `Journals`."""
        with self._lock:
            self._check("")
            self._shelf.clear()

    def _find(self, owner: str, name: str) -> _Journal | None:
        self._check(owner, name)
        return self._shelf.get((owner, name))

    def _check(self, owner: str, *names: str) -> None:
        if not self._runs:
            raise not_started()
        quoted(owner, "user_id")  # refuses what Redis would
        for name in names:
            quoted(name, "session_id")


def check_most(most: int | None) -> None:
    """Refuse a bound that bounds everything away."""
    if most is not None and most < 1:
        raise InvalidOption(f"{most} is no number of messages to keep; it must be at least 1, or None for no limit")


def _size(entry: Entry) -> int:
    return len(entry[0]) + len(entry[1])
