"""How many free sandboxes of each kind the pool keeps at this moment.

What the settings say, or, with a hit ratio, what `sizing` makes of how sessions come. Who came is read from the store's
counts, so that it does not matter through which manager.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agentscope_runtime.sandbox.errors import UnknownSandboxType
from agentscope_runtime.sandbox_manager.events import Event, SandboxReady
from agentscope_runtime.sandbox_manager.machine import available_memory, total_memory
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.sizing import DEEPEST, SHRINK_EVERY, Bounds, Sizing
from agentscope_runtime.sandbox_manager.states import Census

RESERVE = 0.1
"""Share of the machine's memory that the pool leaves to others when it grows."""


def spare_on_machine() -> int | None:
    """Return the bytes that a pool may take of this machine; None where it does not say."""
    total, available = total_memory(), available_memory()
    return None if total is None or available is None else max(0, available - int(RESERVE * total))


class Targets:
    """The sizes of the pools."""

    def __init__(self, means: Means, spare: Callable[[], int | None] = spare_on_machine) -> None:
        """Begin with what the settings say.

        Args:
            means: Policy `targets` has the least of each kind, `most` and `hit_ratio` how far and why they grow.
            spare: Returns the bytes that the machine could give to free sandboxes.
        """
        self._means = means
        self._spare = spare
        self._taken: dict[str, int] = {}
        self._looked_at = 0.0
        self._current: Mapping[str, int] = means.policy.targets
        self._needs: dict[str, int] = {}
        self._sizing: Sizing | None = None

    def __getitem__(self, kind: str) -> int:
        """Return the size of one pool."""
        return self._current.get(kind, 0)

    @property
    def kinds(self) -> set[str]:
        """The kinds that have a pool, be it of none."""
        return {*self._current, *self._means.policy.most}

    def note(self, event: Event) -> None:
        """Subscribe to what happens: starts tell how long they take."""
        if isinstance(event, SandboxReady) and self._sizing is not None:
            self._sizing.started(event.sandbox_type, event.took)

    def look(self, census: Mapping[str, Census]) -> float | None:
        """Size the pools anew, given how things stand; return the seconds until they may shrink, None if never."""
        policy = self._means.policy
        if policy.hit_ratio is None:
            return None
        if self._sizing is None:
            self._sizing = self._begin(policy.hit_ratio)
        now = self._means.clock()
        for kind, count in census.items():
            self._arrived(self._sizing, kind, count.taken, now)
        self._looked_at = now
        self._current = self._sizing.sizes(now, self._memory(census))
        grown = any(size > policy.targets.get(kind, 0) for kind, size in self._current.items())
        return SHRINK_EVERY if grown else None

    def _begin(self, hit_ratio: float) -> Sizing:
        policy = self._means.policy
        for kind in self.kinds:
            try:
                self._needs[kind] = self._means.kinds(kind).memory
            except UnknownSandboxType:
                continue  # who starts one tells
        return Sizing(hit_ratio, policy.parallel, Bounds(policy.targets, policy.most, self._needs))

    def _arrived(self, sizing: Sizing, kind: str, taken: int, now: float) -> None:
        before = self._taken.get(kind)
        self._taken[kind] = taken
        if before is None and not self._looked_at:
            return  # they came when nobody counted
        # When exactly they came between two looks is not known: as if one after another.
        new = min(max(0, taken - (before or 0)), DEEPEST)
        since = min(self._looked_at, now)
        for number in range(1, new + 1):
            sizing.arrived(kind, since + (now - since) * number / new)

    def _memory(self, census: Mapping[str, Census]) -> int | None:
        """Return the bytes that free sandboxes may use: what the limit leaves, and what the machine could give."""
        spare = [] if (machine := self._spare()) is None else [machine]
        if limit := self._means.policy.limits.memory:
            used = sum(
                (count.starting + count.ready + count.leased + count.suspending - count.unclaimed)
                * self._needs.get(kind, 0)
                for kind, count in census.items()
            )
            spare.append(max(0, limit - used))
        return min(spare, default=None)
