"""The pool in virtual time: sessions come, find a sandbox or wait for one, keep it, and go."""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agentscope_runtime.sandbox_manager.fairness import FairLine, LineFull, Shortage
from agentscope_runtime.sandbox_manager.simulation.stock import Kind, Plan, Stock
from agentscope_runtime.sandbox_manager.simulation.traces import Arrival
from agentscope_runtime.sandbox_manager.sizing import Sizing

LOOK_EVERY = 1.0
"""Seconds between two looks at how large the pools should be."""


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    sessions: int = 0
    hits: int = 0
    """Sessions that found a sandbox ready."""
    waits: array[float] = field(default_factory=lambda: array("d"))
    """Seconds from asking to having a sandbox, of all that got one."""
    refused: Counter[str] = field(default_factory=Counter)
    """By the limit that was in the way; `queue` is no place to wait, `deadline` waited in vain."""
    starts: int = 0
    seconds: float = 0.0
    """From the first session's coming to the last one's going."""
    most: int = 0
    """Sandboxes at once."""
    most_memory: int = 0
    memory_seconds: float = 0.0
    """Bytes that the sandboxes may use, times the seconds that they were there."""
    free_seconds: float = 0.0
    """How many were free, times the seconds that they were."""

    @property
    def hit_ratio(self) -> float:
        """The share of sessions that found a sandbox ready, of those that got one."""
        return self.hits / len(self.waits) if self.waits else 1.0


class Replay:
    """One run; use `replay`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._now = self._look_at = 0.0
        self._events: list[tuple[float, int, Callable[..., None], object]] = []
        self._number = 0
        self._stock = Stock(plan, self._start)
        self._held: Counter[str] = Counter()  # by user, promises included
        self._line: FairLine[Arrival] = FairLine(plan.queue)
        self._lacking: list[Shortage] = []  # what those in the line wait for
        self._sizing = (
            None if plan.share is None else Sizing(plan.share, plan.parallel, plan.bounds, starts=plan.starts)
        )
        self._outcome = Outcome()

    def run(self, arrivals: Iterable[Arrival]) -> Outcome:
        """Replay; the pools are full when the first session comes."""
        began: float | None = None
        for arrival in arrivals:
            if began is None:
                began = self._now = self._look_at = arrival.at
            self._until(arrival.at)
            self._pass(arrival.at)
            self._arrive(arrival)
        self._until(math.inf)
        self._outcome.seconds = self._now - (began or 0.0)
        self._outcome.most, self._outcome.most_memory = self._stock.most, self._stock.most_memory
        return self._outcome

    # --- time

    def _until(self, then: float) -> None:
        """Let everything happen that is due by a time."""
        events = self._events
        while events and events[0][0] <= then:
            at, _, what, about = heapq.heappop(events)
            self._pass(at)
            what(about)

    def _at(self, when: float, what: Callable[..., None], about: object) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, self._number, what, about))

    def _pass(self, now: float) -> None:
        passed = now - self._now
        self._outcome.memory_seconds += passed * self._stock.memory
        self._outcome.free_seconds += passed * self._stock.free
        self._now = now

    # --- what happens

    def _arrive(self, arrival: Arrival) -> None:
        self._outcome.sessions += 1
        if self._sizing is not None:
            self._sizing.arrived(arrival.kind, arrival.at)
        short = self._in_front(arrival) or self._serve(arrival)
        if short is not None:
            self._queue(arrival, short)
        self._refill()

    def _serve(self, arrival: Arrival) -> Shortage | None:
        """Give a session a sandbox, or the promise of one; return what there is too little of for that."""
        kind, per_user = self._stock.kind(arrival.kind), self._plan.limits.per_user
        if per_user and self._held[arrival.user] >= per_user:
            return Shortage("user", arrival.user)
        if kind.free:
            self._stock.take_free(kind)
            # One that waited for room is no hit, though what it finds is ready.
            self._outcome.hits += arrival.at == self._now
            self._lease(kind, arrival)
        elif (short := self._stock.promise(kind)) is not None:
            return short
        else:
            kind.waiting.append(arrival)
        self._held[arrival.user] += 1
        return None

    def _lease(self, kind: Kind, arrival: Arrival) -> None:
        kind.held += 1
        self._outcome.waits.append(self._now - arrival.at)
        self._at(self._now + arrival.hold, self._end, arrival)

    def _end(self, arrival: Arrival) -> None:
        kind = self._stock.kind(arrival.kind)
        kind.held -= 1
        self._stock.remove(kind)
        self._held[arrival.user] -= 1
        if not self._held[arrival.user]:
            del self._held[arrival.user]
        self._room()
        self._refill()

    def _start(self, kind: Kind) -> None:
        self._outcome.starts += 1
        self._at(self._now + kind.takes, self._started, kind)

    def _started(self, kind: Kind) -> None:
        self._stock.started(kind)
        if self._sizing is not None:
            self._sizing.started(kind.name, kind.takes)
        if kind.waiting:
            self._lease(kind, kind.waiting.popleft())
        else:
            self._stock.put_free(kind)
            if self._line:
                self._room()  # somebody in the line may take its room
        self._refill()

    def _refill(self) -> None:
        if self._sizing is not None and self._now >= self._look_at:
            self._look_at = self._now + LOOK_EVERY
            for name, size in self._sizing.sizes(self._now, self._stock.spare_memory()).items():
                self._stock.kind(name).target = size
        self._stock.level()
        self._stock.pump()

    # --- the line

    def _queue(self, arrival: Arrival, short: Shortage) -> None:
        if self._plan.patience <= 0:
            self._outcome.refused[short.what] += 1
            return
        try:
            left = self._line.join(arrival.user, arrival)
        except LineFull:
            self._outcome.refused["queue"] += 1
            return
        if left is not None:
            self._outcome.refused["queue"] += 1
        if short not in self._lacking:
            self._lacking.append(short)
        self._at(arrival.at + self._plan.patience, self._give_up, arrival)

    def _give_up(self, arrival: Arrival) -> None:
        before = len(self._line)
        self._line.leave(arrival.user, arrival)
        if len(self._line) < before:
            self._outcome.refused["deadline"] += 1
            self._room()  # it may have been in somebody's way
            self._refill()

    def _room(self) -> None:
        """Serve who waits, in turn, passing over those who lack what somebody before them lacks."""
        served = True
        while served:
            served = False
            self._lacking = []
            for arrival in self._line.in_turn():
                if self._in_front(arrival) is not None:
                    continue
                if (short := self._serve(arrival)) is None:
                    self._line.leave(arrival.user, arrival, served=True)
                    served = True
                    break
                self._lacking.append(short)
                if short.what in ("total", "memory"):
                    break

    def _in_front(self, arrival: Arrival) -> Shortage | None:
        """Return what somebody in the line waits for who would be overtaken."""
        return next((short for short in self._lacking if short.concerns(arrival.user, (arrival.kind,))), None)


def replay(plan: Plan, arrivals: Iterable[Arrival]) -> Outcome:
    """Return what would come of these sessions under this plan."""
    return Replay(plan).run(arrivals)
