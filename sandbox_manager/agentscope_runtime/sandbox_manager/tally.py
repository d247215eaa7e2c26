"""How the pools stand, and how well they serve: what was found ready, and what had to be started."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.admission import Admission
from agentscope_runtime.sandbox_manager.events import LeaseGranted, LeaseResumed
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.refill import Refill
from agentscope_runtime.sandbox_manager.states import Census, LeaseKey, SandboxRecord


class Tally:
    """Counts what this manager gave to sessions, and reports."""

    def __init__(self, means: Means, refill: Refill, admission: Admission) -> None:
        self._means = means
        self._refill = refill
        self._admission = admission
        self._hits: Counter[str] = Counter()
        self._misses: Counter[str] = Counter()

    def granted(self, key: LeaseKey, records: Sequence[SandboxRecord], *, waited: float) -> None:
        """Count what a session got after so many seconds, and tell; what was restored is no matter of the pool's."""
        new = [record for record in records if not record.restored]
        for record in new:
            (self._hits if record.warm else self._misses)[record.sandbox_type] += 1
        if new:
            ids, warm = zip(*((record.sandbox_id, record.warm) for record in new), strict=True)
            kinds = tuple(record.sandbox_type for record in new)
            self._means.events.emit(LeaseGranted(key, ids, warm, waited, kinds))
        if resumed := tuple(record.sandbox_id for record in records if record.restored):
            self._means.events.emit(LeaseResumed(key, resumed, waited))

    async def report(self) -> wire.PoolReport:
        """Return how the pool stands, by kind."""
        census = await self._means.store.census()
        policy = self._means.policy
        kinds = sorted({*census, *self._refill.targets.kinds, *self._hits, *self._misses})
        return wire.PoolReport(
            limit=policy.limits.total,
            limits=wire.PoolLimits(**dataclasses.asdict(policy.limits)),
            queue=self._admission.to_wire(),
            types={kind: self._status(kind, census) for kind in kinds},
        )

    def _status(self, kind: str, census: dict[str, Census]) -> wire.PoolStatus:
        count = census.get(kind, Census())
        return wire.PoolStatus(
            target=self._refill.targets[kind],
            ready=count.ready,
            starting=count.starting,
            leased=count.leased,
            suspended=count.suspending + count.suspended,
            stopping=count.stopping,
            hits=self._hits[kind],
            misses=self._misses[kind],
            failures=self._refill.failure(kind),
        )
