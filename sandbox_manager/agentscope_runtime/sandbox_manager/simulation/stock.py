"""The sandboxes of a replay: how many there are of each kind, what starts next, and whether there is room for more.

One is as good as another of its kind here, so they are counted, not named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agentscope_runtime.sandbox_manager.fairness import Shortage
from agentscope_runtime.sandbox_manager.simulation.traces import Arrival
from agentscope_runtime.sandbox_manager.sizing import Bounds
from agentscope_runtime.sandbox_manager.states import Limits


@dataclass(frozen=True, slots=True)
class Plan:
    """What the manager would be set to, and how long things take."""

    bounds: Bounds
    """The pools' sizes: `least`, or with a `share` from `least` to `most`."""
    starts: Mapping[str, float]
    """Seconds that a start takes, by kind."""
    share: float | None = None
    """Of the sessions, that shall find a sandbox ready; None keeps every pool at its least."""
    parallel: int = 2
    """Starts at a time."""
    limits: Limits = field(default_factory=Limits)
    queue: int = 100
    """Places for callers that wait for room."""
    patience: float = 0.0
    """Seconds that each caller would wait for room."""


@dataclass(slots=True)
class Kind:
    """The sandboxes of one kind, by what they are up to."""

    name: str
    takes: float
    """Seconds of a start."""
    needs: int
    """Bytes of one."""
    target: int
    free: int = 0
    held: int = 0
    starting: int = 0
    """In a slot."""
    urgent: int = 0
    """Waiting for a slot, because a session waits."""
    queued: int = 0
    """Waiting for a slot, for the pool."""
    waiting: deque[Arrival] = field(default_factory=deque)
    """Sessions to which a start is promised."""

    @property
    def unclaimed(self) -> int:
        """How many are promised to nobody."""
        return self.free + self.starting + self.urgent + self.queued - len(self.waiting)

    @property
    def spare(self) -> bool:
        """Whether one waits for a slot that nobody would miss."""
        return self.queued > 0 and self.unclaimed > 0


class Stock:
    """All sandboxes."""

    def __init__(self, plan: Plan, start: Callable[[Kind], None]) -> None:
        """Begin with full pools, as far as there is room.

        Args:
            plan: What there may be.
            start: Called when a start gets a slot; `started` gives the slot back.
        """
        self._plan = plan
        self._start = start
        self._slots = plan.parallel
        self._urgent: deque[Kind] = deque()
        self._queued: deque[Kind] = deque()  # may have one too many, where one was hurried or displaced
        self.kinds: dict[str, Kind] = {}
        self.count = self.most = self.free = 0
        self.memory = self.most_memory = 0
        for name in plan.bounds.least:
            kind = self.kind(name)
            while kind.free < kind.target and self.shortage(kind) is None:
                self._add(kind)
                self.put_free(kind)

    def kind(self, name: str) -> Kind:
        """Return what there is of a kind."""
        if name not in self.kinds:
            bounds = self._plan.bounds
            takes = self._plan.starts.get(name, 1.0)
            self.kinds[name] = Kind(name, takes, bounds.needs.get(name, 0), bounds.least.get(name, 0))
        return self.kinds[name]

    def shortage(self, kind: Kind) -> Shortage | None:
        """Return what there is too little of for one more of a kind."""
        limits = self._plan.limits
        most = limits.types.get(kind.name, 0)
        if most and kind.held + kind.unclaimed + len(kind.waiting) >= most:
            return Shortage("type", kind.name)
        if limits.total and self.count >= limits.total:
            return Shortage("total")
        if limits.memory and self.memory + kind.needs > limits.memory:
            return Shortage("memory")
        return None

    def spare_memory(self) -> int | None:
        """Return the bytes that free sandboxes may use, those that there are included; None is no bound."""
        if not self._plan.limits.memory:
            return None
        unclaimed = sum(max(0, kind.unclaimed) * kind.needs for kind in self.kinds.values())
        return self._plan.limits.memory - self.memory + unclaimed

    # --- sandboxes come and go

    def put_free(self, kind: Kind) -> None:
        """Count one of this kind as free."""
        kind.free += 1
        self.free += 1

    def take_free(self, kind: Kind) -> None:
        """Count one of this kind, which was free, as something else from now on."""
        kind.free -= 1
        self.free -= 1

    def remove(self, kind: Kind) -> None:
        """Forget one that was counted out of what it was."""
        self.count -= 1
        self.memory -= kind.needs

    def promise(self, kind: Kind) -> Shortage | None:
        """Make sure that a start is for one more session; return what there is too little of for that."""
        if kind.unclaimed > 0:
            if kind.queued:
                kind.queued -= 1
                self._hurry(kind)
            return None
        while (short := self.shortage(kind)) is not None:
            if short.what == "type" or not self._displace():
                return short
        self._add(kind)
        self._hurry(kind)
        return None

    def level(self) -> None:
        """Start what the pools lack, and end what they have too much of."""
        for kind in self.kinds.values():
            lacking = kind.target - kind.unclaimed
            while lacking > 0 and self.shortage(kind) is None:
                self._add(kind)
                kind.queued += 1
                self._queued.append(kind)
                lacking -= 1
            while lacking < 0 and kind.free:
                self.take_free(kind)
                self.remove(kind)
                lacking += 1

    def started(self, kind: Kind) -> None:
        """Take a start's slot back; what it made is not counted as anything yet."""
        kind.starting -= 1
        self._slots += 1

    def pump(self) -> None:
        """Give free slots to what waits for one: first to what sessions wait for."""
        while self._slots and (self._urgent or self._queued):
            if self._urgent:
                kind = self._urgent.popleft()
                kind.urgent -= 1
            else:
                kind = self._queued.popleft()
                if not kind.queued:
                    continue
                kind.queued -= 1
            self._slots -= 1
            kind.starting += 1
            self._start(kind)

    def _hurry(self, kind: Kind) -> None:
        kind.urgent += 1
        self._urgent.append(kind)

    def _add(self, kind: Kind) -> None:
        self.count += 1
        self.memory += kind.needs
        if self.count > self.most:  # `max` takes three times as long, and this runs a million times
            self.most = self.count
        if self.memory > self.most_memory:
            self.most_memory = self.memory

    def _displace(self) -> bool:
        """End one that is free, or better one that only waits to be started."""
        kind = max(self.kinds.values(), key=lambda each: (each.spare, each.free))
        if kind.spare:
            kind.queued -= 1
        elif kind.free:
            self.take_free(kind)
        else:
            return False
        self.remove(kind)
        return True
