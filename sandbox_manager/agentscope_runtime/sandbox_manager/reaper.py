"""Ending leases that nobody uses, and knowing which are in use."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agentscope_runtime.sandbox.errors import NotFound, SandboxDied
from agentscope_runtime.sandbox_manager.events import LeaseEnded
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import Ending


class Activity:
    """Which sandboxes are being used by this manager at this moment, by however many calls."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    @contextmanager
    def of(self, sandbox_id: str) -> Iterator[None]:
        """Count as one use of a sandbox while the context is open."""
        self._running[sandbox_id] += 1
        try:
            yield
        finally:
            self._running[sandbox_id] -= 1
            if not self._running[sandbox_id]:
                del self._running[sandbox_id]

    def running(self) -> list[str]:
        """Return the sandboxes that are being used."""
        return list(self._running)


class Reaper:
    """Ends leases that were idle for too long; a use counts for its whole duration."""

    def __init__(self, means: Means, retirement: Retirement, activity: Activity) -> None:
        self._means = means
        self._retirement = retirement
        self._activity = activity

    async def run(self) -> None:
        """Look for idle leases until cancelled."""
        while True:
            await self.reap()
            await asyncio.sleep(self._means.policy.scan_interval)

    async def reap(self) -> None:
        """End what is idle now."""
        now, timeout = self._means.clock(), self._means.policy.idle_timeout
        for sandbox_id in self._activity.running():
            with suppress(NotFound, SandboxDied):
                await self._means.store.touch(sandbox_id, now=now)
        ending = Ending(f"was idle for {timeout:g} s and released; connect again to get a fresh one")
        for lease in await self._means.store.end_idle(idle_since=now - timeout, ending=ending):
            ids = tuple(record.sandbox_id for record in lease.sandboxes)
            self._means.events.emit(LeaseEnded(lease.key, ids, f"idle for {timeout:g} s"))
            self._retirement.destroy(lease.sandboxes, ending)
