"""How old things are by the wall clock, although that may jump, and the process may stand still.

Records have wall-clock times, which people read and managers on other machines understand. But a clock that is set, a
machine that slept, a process that was stopped or a store that was away make time pass in which nobody could use
anything: a time-out that counted it would end every lease at once. So whoever ends things for their age looks at the
clock on every tick, and what passed between two ticks beyond a tick is time lost. An age within which time was lost is
shorter by that much. Things end late rather than early, by no more than what was lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

TOLERANCE = 1.0
"""Seconds by which a tick may be late, or the wall clock adjusted, before that counts as lost."""
KEPT = 256
"""So many losses are remembered; older ones are added to the next."""


class Ages:
    """The wall clock, without the time that was lost lately."""

    def __init__(self, wall: Callable[[], float], steady: Callable[[], float], *, tick: float) -> None:
        """Begin to look.

        Args:
            wall: Seconds since the epoch; may jump.
            steady: Seconds that never jump.
            tick: Seconds that usually pass between two calls of `look`.
        """
        self._wall = wall
        self._steady = steady
        self._longest = tick + max(TOLERANCE, tick)
        self._looked: tuple[float, float] | None = None
        self._lost: deque[tuple[float, float]] = deque()

    @property
    def now(self) -> float:
        """The wall clock's time at the last look."""
        return self._wall() if self._looked is None else self._looked[0]

    def look(self) -> float:
        """Take note of the time; return the seconds by which the wall clock went back since the last look, else 0."""
        wall, steady = self._wall(), self._steady()
        before, self._looked = self._looked, (wall, steady)
        if before is None:
            return 0.0
        passed = wall - before[0]
        if passed > self._longest:
            self._lost.append((steady, passed - min(steady - before[1], self._longest)))
            if len(self._lost) > KEPT:
                _, oldest = self._lost.popleft()
                when, lost = self._lost.popleft()
                self._lost.appendleft((when, lost + oldest))
        return -passed if passed < -TOLERANCE else 0.0

    def ago(self, seconds: float, *, within: float | None = None) -> float:
        """Return the moment before which things are older than `seconds`, of which nothing was lost.

        Args:
            seconds: The age.
            within: What was lost in so many seconds counts; by default in `seconds`.
        """
        steady, span = self._steady(), seconds if within is None else within
        return self.now - seconds - sum(lost for when, lost in self._lost if steady - when < span)
