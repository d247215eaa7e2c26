"""A dictionary that forgets: what nobody used for long, and what was not used for longest when it is full."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from agentscope_runtime.engine.errors import InvalidOption

logger = logging.getLogger(__name__)

DEFAULT_BYTES = 256 * 1024 * 1024
"""What one service keeps in memory at most: thousands of sessions, and a fraction of what a server has."""

OVERHEAD = 512
"""Bytes that an entry counts beside its contents, so that empty ones fill the shelf, too."""

Key = tuple[str, str]
"""A user, and a name that is theirs: usually a session."""


class Sized(Protocol):
    """What can say how large it is."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...


V = TypeVar("V", bound=Sized)


class Shelf(Generic[V]):
    """Values by key. Every look at one is a use of it. Not made for several threads: its users lock."""

    def __init__(
        self, *, ttl_seconds: float | None, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Make an empty one.

        Args:
            ttl_seconds: Seconds without use after which a value is gone; None for never.
            max_bytes: What all values may have together; those not used for longest make room.
            clock: Tells the seconds.
        """
        if max_bytes < 1 or (ttl_seconds is not None and ttl_seconds <= 0):
            raise InvalidOption(f"ttl_seconds={ttl_seconds} and max_bytes={max_bytes} must be more than 0")
        self._ttl = ttl_seconds
        self._max_bytes = max_bytes
        self._clock = clock
        # The least recently used first, so what is out of time is always at the front.
        self._entries: OrderedDict[Key, tuple[V, int, float]] = OrderedDict()
        self._bytes = 0
        self._told = False

    def get(self, key: Key) -> V | None:
        """Return a value, which counts as a use of it."""
        self._forget_the_stale()
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries[key] = (*found[:2], self._clock())
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: Key, value: V) -> None:
        """Keep a value; again, when it has changed its size."""
        self._forget_the_stale()
        self.drop(key)
        size = value.size + OVERHEAD
        self._entries[key] = (value, size, self._clock())
        self._bytes += size
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            oldest = next(iter(self._entries))
            self.drop(oldest)
            # Once: a full shelf drops something at each use.
            logger.log(
                logging.DEBUG if self._told else logging.WARNING,
                "no room for %d bytes: dropped %s",
                *(self._bytes, oldest),
            )
            self._told = True

    def drop(self, key: Key) -> bool:
        """Forget a value; tell whether there was one."""
        found = self._entries.pop(key, None)
        self._bytes -= found[1] if found else 0
        return found is not None

    def keys(self) -> list[Key]:
        """Return the keys of all values, the one not used for longest first."""
        self._forget_the_stale()
        return list(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    def _forget_the_stale(self) -> None:
        if self._ttl is None:
            return
        oldest = self._clock() - self._ttl
        while self._entries and (key := next(iter(self._entries))) and self._entries[key][2] <= oldest:
            self.drop(key)
