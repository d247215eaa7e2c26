"""Things by a time of theirs: which are due is found without looking at the others."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

SPARE = 64
"""Outdated entries that are tolerated beside as many as there are things."""


class Schedule(Generic[T]):
    """A heap whose entries may be too early, never too late: a time that moves on costs a dictionary's store only."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._times: dict[T, float] = {}
        self._queued: dict[T, float] = {}  # the time of the one entry of the heap that counts
        self._heap: list[tuple[float, int, T]] = []
        self._number = count()  # so that things are never compared, and come in the order of their setting

    def set(self, thing: T, time: float | None) -> None:
        """Give a thing its time, in place of the one that it had; with None it has none."""
        if time is None:
            self._times.pop(thing, None)
            self._queued.pop(thing, None)
            return
        self._times[thing] = time
        queued = self._queued.get(thing)
        if queued is None or time < queued:
            self._push(thing, time)
            if len(self._heap) > 2 * len(self._times) + SPARE:
                self._compact()

    def due(self, until: float) -> list[T]:
        """Return what has a time of `until` or earlier, in this order; it keeps its time."""
        found = []
        while self._heap and self._heap[0][0] <= until:
            queued, _, thing = heappop(self._heap)
            if self._queued.get(thing) != queued:
                continue  # it was removed, or moved forward, since
            del self._queued[thing]
            if self._times[thing] <= until:
                found.append(thing)
            else:
                self._push(thing, self._times[thing])
        for thing in found:
            self._push(thing, self._times[thing])
        return sorted(found, key=self._times.__getitem__)

    def _push(self, thing: T, time: float) -> None:
        self._queued[thing] = time
        heappush(self._heap, (time, next(self._number), thing))

    def _compact(self) -> None:
        self._heap = [(time, next(self._number), thing) for thing, time in self._times.items()]
        heapify(self._heap)
        self._queued = dict(self._times)
