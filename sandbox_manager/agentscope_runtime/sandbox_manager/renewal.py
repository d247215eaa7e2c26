"""Free sandboxes that are to be replaced: too old, or of an image that has been rebuilt since.

They are replaced one by one, each once its successor is ready, so that the pool is never short for it. Which ones they
are is found by looking now and then (`reconcile`); `refill` does it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.states import Ending, SandboxRecord, State

STALE = Ending("ran an image that has been rebuilt since")
OLD = Ending("waited in the pool for longer than POOL_MEMBER_MAX_SECONDS")


class Renewal:
    """Which free sandboxes have had their time."""

    def __init__(self, means: Means) -> None:
        """Begin with none."""
        self._means = means
        self._due: dict[str, deque[tuple[str, Ending]]] = {}

    async def look(self, records: Iterable[SandboxRecord]) -> bool:
        """Find out which of these are due, the oldest first; return whether any is."""
        free = [record for record in records if record.state is State.WARM and record.key is None]
        current = {
            image: await self._means.backend.image_id(image)
            for image in {record.image for record in free if record.image_id}
        }
        most, now = self._means.policy.member_max_age, self._means.clock()
        due: defaultdict[str, deque[tuple[str, Ending]]] = defaultdict(deque)
        for record in sorted(free, key=lambda each: each.created_at):
            image_id = current.get(record.image)
            if record.image_id and image_id is not None and record.image_id != image_id:
                due[record.sandbox_type].append((record.sandbox_id, STALE))
            elif 0 < most < now - record.created_at:
                due[record.sandbox_type].append((record.sandbox_id, OLD))
        self._due = dict(due)
        return bool(due)

    def due(self, kind: str) -> bool:
        """Whether one of this kind is to be replaced."""
        return bool(self._due.get(kind))

    def next(self, kind: str) -> tuple[str, Ending]:
        """Return which is the next, and why; it is not due any more."""
        return self._due[kind].popleft()
