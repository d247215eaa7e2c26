"""How many free sandboxes of each kind a pool needs for a given share of sessions to find one ready.

Every session that takes a sandbox orders another, which is ready one start later, or when those ordered before it are,
where only a few start at a time. A session finds a free one if, when it comes, fewer of these orders are outstanding
than the pool is large. How many are outstanding does not depend on how large the pool is, so what was observed tells
for every size what it would have been good for, bursts included. As long as too little was, or while sessions come
faster than they did, the rate tells, as that of a queue of which much is known (M/M/c).

No I/O and no clock: `refill` asks with the time of day, `simulation` with that of a trace.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

LONG = 600.0
"""Seconds after which a session that came counts half in what is remembered of bursts and of the rate."""
SHORT = 30.0
"""Seconds after which it counts half in the rate of this moment, so that a rush is seen before it is over."""
RUSH = 1.5
"""How many times the rate of late the one of this moment has to be to count: below, it may be chance."""
ENOUGH = 5.0
"""Sessions that a size may have failed, of what is remembered, before what was observed is trusted alone."""
FORGET = 2.0**-10
"""Weight of all that is remembered below which a kind needs none: no session came for 100 minutes, or for longer after
many."""
DEEPEST = 1024
"""Orders outstanding beyond which it does not matter how many: no pool is larger."""
FIRST_GUESS = 2.0
"""Seconds that a start takes, before one was seen."""
LEARN = 0.2
"""Weight of the newest start in what is known of how long one takes."""
SHRINK_EVERY = 30.0
"""Seconds between two steps down. Up it goes at once: one too many costs memory, one too few somebody's time."""


def queue_size(load: float, parallel: int, share: float, most: int = DEEPEST) -> int:
    """Return how many must be free for a share of sessions to find one, when they come by chance at a steady rate.

    Args:
        load: Starts that would be under way on average, were there no bound: the rate times the seconds of one.
        parallel: Starts at a time.
        share: Of the sessions, more than 0 and less than 1.
        most: Returned when it would be more: always, when sessions come faster than sandboxes start.
    """
    if load >= parallel:
        return most
    # The chance that k orders are outstanding: load^k / k! up to `parallel`, then falling by load / parallel each.
    terms = [1.0]
    for k in range(1, parallel + 1):
        terms.append(terms[-1] * load / k)
    nobody = 1.0 / (sum(terms[:-1]) + terms[-1] / (1.0 - load / parallel))
    chance, reached = nobody, nobody
    size = 1
    while reached < share and size < most:
        chance *= load / min(size, parallel)
        reached += chance
        size += 1
    return size


class _Fading:
    """A sum in which what was added counts half after each half-life."""

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self._sum = 0.0
        self._at = 0.0
        self._since: float | None = None

    def add(self, now: float) -> None:
        if self._since is None:
            self._since = now
        self._sum = self.value(now) + 1.0
        self._at = now

    def value(self, now: float) -> float:
        return self._sum * math.exp2(-max(0.0, now - self._at) / self._half_life)

    def rate(self, now: float) -> float:
        """Per second: what a steady stream since the first would have to be for the sum to be what it is."""
        lasts = max(SHORT, now - (now if self._since is None else self._since))
        return self.value(now) * math.log(2.0) / self._half_life / (1.0 - math.exp2(-lasts / self._half_life))


class Demand:
    """What is known of the sessions that asked for one kind, and of its starts."""

    def __init__(self, start: float = FIRST_GUESS) -> None:
        """Know nothing yet but a guess at how many seconds a start takes."""
        self.start = start
        self._started = False
        self._long, self._short = _Fading(LONG), _Fading(SHORT)
        self._outstanding: deque[float] = deque()  # when each order will be ready, soonest first
        self._seen: list[float] = []  # by how many were outstanding when a session came: how often, faded
        self._unit = 1.0  # what a session of this moment adds to _seen: it grows instead of all else fading
        self._unit_at: float | None = None

    def started(self, took: float) -> None:
        """Take note of a start, and the seconds that it took."""
        self.start = took if not self._started else (1.0 - LEARN) * self.start + LEARN * took
        self._started = True

    def arrived(self, now: float) -> None:
        """Take note of a session, at a time that is not before that of the one before."""
        while self._outstanding and self._outstanding[0] <= now:
            self._outstanding.popleft()
        depth, unit = min(len(self._outstanding), DEEPEST), self._unit_of(now)
        self._seen.extend([0.0] * (depth + 1 - len(self._seen)))
        self._seen[depth] += unit
        self._long.add(now)
        self._short.add(now)

    def ordered(self, ready_at: float) -> None:
        """Take note of the order that a session gave rise to; its predecessors' are ready before it."""
        if len(self._outstanding) < DEEPEST:
            self._outstanding.append(ready_at)

    def rate(self, now: float) -> float:
        """Return the sessions per second: of late, or in a rush of this moment."""
        long, short = self._long.rate(now), self._short.rate(now)
        return short if short > RUSH * long else long

    def is_known(self, now: float, share: float) -> bool:
        """Whether so much was observed that it tells enough about this share, and this moment is as the last ones."""
        return self._long.value(now) * (1.0 - share) >= ENOUGH and self.rate(now) == self._long.rate(now)

    def observed(self, now: float, share: float) -> int:
        """Return the size that would have served this share of what is remembered; 0, if nothing is."""
        weight = self._long.value(now)
        if weight < FORGET:
            return 0
        unit = self._unit_of(now)
        # One session more, which came when nothing was outstanding: what is hardly remembered any more counts little.
        wanted, reached = share * (weight + 1.0) * unit, unit
        for size, often in enumerate(self._seen, start=1):
            reached += often
            if reached >= wanted:
                return size
        return len(self._seen)  # but for rounding, it was reached

    def _unit_of(self, now: float) -> float:
        passed = 0.0 if self._unit_at is None else max(0.0, now - self._unit_at)
        self._unit_at = now if self._unit_at is None else max(self._unit_at, now)
        if passed > 100 * LONG:  # nothing of it is left that would count
            self._seen, self._unit = [], 1.0
        self._unit *= math.exp2(min(passed, 100 * LONG) / LONG)
        if self._unit > 1e100:
            self._seen = [often / self._unit for often in self._seen]
            self._unit = 1.0
        return self._unit


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a pool may be; by kind, and a kind that is not named has none."""

    least: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    needs: Mapping[str, int] = field(default_factory=dict)
    """Bytes that one sandbox may use."""


def fit(wanted: Mapping[str, int], bounds: Bounds, memory: int | None) -> dict[str, int]:
    """Return the sizes within their bounds that fit into so many bytes; None is as many as one likes.

    Where memory is short the pool that is furthest above its least gives way, one by one. The least stays: somebody
    decided upon it.
    """
    sizes = {
        kind: max(bounds.least.get(kind, 0), min(wanted.get(kind, 0), bounds.most.get(kind, 0)))
        for kind in {*wanted, *bounds.least}
    }
    if memory is None:
        return sizes
    over = sum(size * bounds.needs.get(kind, 0) for kind, size in sizes.items()) - memory
    while over > 0:
        above = {kind: size - bounds.least.get(kind, 0) for kind, size in sizes.items() if bounds.needs.get(kind)}
        kind = max(above, key=lambda each: (above[each], bounds.needs[each]), default="")
        if not above.get(kind):
            break
        sizes[kind] -= 1
        over -= bounds.needs[kind]
    return sizes


class Sizing:
    """The sizes of all pools by what was asked for of late."""

    def __init__(
        self, share: float, parallel: int, bounds: Bounds, *, starts: Mapping[str, float] | None = None
    ) -> None:
        """Begin with the least of each.

        Args:
            share: Of the sessions, that shall find a sandbox ready: more than 0, less than 1.
            parallel: Starts at a time, over all kinds.
            bounds: What the sizes may be; a kind without a `most` is not sized.
            starts: Seconds that a start takes, by kind, where known before one was seen.
        """
        self._share = share
        self._bounds = bounds
        self._starts = starts or {}
        self._demands: dict[str, Demand] = {}
        self._slots = [0.0] * parallel  # when each is free, if every session's order is started as soon as it can be
        self._sizes = dict(bounds.least)
        self._shrunk: dict[str, float] = {}

    def arrived(self, kind: str, now: float) -> None:
        """Take note that a session asked for one."""
        demand = self.demand(kind)
        demand.arrived(now)
        ready_at = max(now, self._slots[0]) + demand.start
        heapq.heapreplace(self._slots, ready_at)
        demand.ordered(ready_at)

    def started(self, kind: str, took: float) -> None:
        """Take note of a start, and the seconds that it took."""
        self.demand(kind).started(took)

    def demand(self, kind: str) -> Demand:
        """Return what is known of a kind."""
        if kind not in self._demands:
            self._demands[kind] = Demand(self._starts.get(kind, FIRST_GUESS))
        return self._demands[kind]

    def wanted(self, now: float) -> dict[str, int]:
        """Return the size that each pool should have for the share of sessions to be served, bounds aside."""
        loads = {kind: demand.rate(now) * demand.start for kind, demand in self._demands.items()}
        total, parallel = sum(loads.values()), len(self._slots)
        result = {}
        for kind, demand in self._demands.items():
            observed = demand.observed(now, self._share)
            if observed and not demand.is_known(now, self._share):
                # The other kinds take their part of the starts that are possible at a time.
                left = 0 if total >= parallel else max(1, int(parallel - (total - loads[kind])))
                observed = max(observed, queue_size(loads[kind], left, self._share))
            result[kind] = observed
        return result

    def sizes(self, now: float, memory: int | None = None) -> dict[str, int]:
        """Return how large each pool should be from now on.

        Args:
            now: The time, in seconds.
            memory: Bytes that free sandboxes may use, all together; None is no bound.
        """
        for kind, size in fit(self.wanted(now), self._bounds, None).items():
            before = self._sizes.get(kind, 0)
            if size >= before:
                self._sizes[kind] = size
                self._shrunk[kind] = now
            elif now - self._shrunk.setdefault(kind, now) >= SHRINK_EVERY:
                self._sizes[kind] = before - 1
                self._shrunk[kind] = now
        return fit(self._sizes, self._bounds, memory)
