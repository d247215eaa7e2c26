"""Ending leases for their age, and suspending and freezing what nobody uses; knowing what is in use."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from math import inf

from agentscope_runtime.sandbox.errors import NotFound, SandboxDied
from agentscope_runtime.sandbox_manager.ages import Ages
from agentscope_runtime.sandbox_manager.events import LeaseEnded, LeaseSuspended
from agentscope_runtime.sandbox_manager.freezing import freeze, touch
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import Ending, Lease
from agentscope_runtime.sandbox_manager.suspension import Suspension

DAY = 86400.0
TOLD_WITHIN = 10.0
"""Seconds in which all managers have told the store of uses while it was away."""


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

    async def touch(self, means: Means) -> None:
        """Record that what is being used is active."""
        for sandbox_id, at in means.known.owed().items():
            with suppress(NotFound, SandboxDied):
                await touch(means, sandbox_id, now=at)
        for sandbox_id in self.running():
            with suppress(NotFound, SandboxDied):
                await touch(means, sandbox_id, now=means.clock())

    async def run(self, means: Means) -> None:
        """Record that again and again, where another manager's reaper looks at it, until cancelled."""
        while True:
            await self.touch(means)
            await asyncio.sleep(means.policy.scan_interval)


class Reaper:
    """Looks at the ages of leases; a use counts for its whole duration, time in which nobody could use anything not."""

    def __init__(self, means: Means, retirement: Retirement, suspension: Suspension, activity: Activity) -> None:
        self._means = means
        self._retirement = retirement
        self._suspension = suspension
        self._activity = activity
        self._ages = self._begin()

    async def run(self) -> None:
        """Look until cancelled."""
        if self._means.shared:  # who leads only now, or has a store again, lets others tell first what was used
            await asyncio.sleep(TOLD_WITHIN)
            self._ages = self._begin()  # others led meanwhile: that time was not lost
        while True:
            await self.reap()
            await asyncio.sleep(self._means.policy.scan_interval)

    async def reap(self) -> None:
        """Do what is due now."""
        await self._activity.touch(self._means)
        if self._ages.look():
            await self._forgive()
        policy = self._means.policy
        await self._end_old()
        idle_since = self._ages.ago(policy.idle_timeout)
        if policy.idle_action == "suspend":
            await self._suspend(idle_since)
        else:
            await self._release(idle_since)
        if policy.pause_after:
            await freeze(self._means, await self._means.store.pause_idle(idle_since=self._ages.ago(policy.pause_after)))

    def _begin(self) -> Ages:
        steady = lambda: asyncio.get_running_loop().time()  # noqa: E731 - there is no loop yet
        return Ages(self._means.clock, steady, tick=self._means.policy.scan_interval)

    async def _suspend(self, idle_since: float) -> None:
        reason = f"idle for {self._means.policy.idle_timeout:g} s"
        for lease in await self._means.store.suspend_idle(idle_since=idle_since):
            self._means.events.emit(LeaseSuspended(lease.key, _ids(lease), reason))
            self._suspension.suspend(lease.sandboxes)

    async def _release(self, idle_since: float) -> None:
        what = f"idle for {self._means.policy.idle_timeout:g} s"
        ending = Ending(f"was {what} and released; connect again to get a fresh one")
        self._end(await self._means.store.end_idle(idle_since=idle_since, ending=ending), ending, what)

    async def _end_old(self) -> None:
        """End leases that have lived for as long as they may, and those that were suspended for too long."""
        policy, end = self._means.policy, self._means.store.end_expired
        ending = Ending("came to the end of its lease, which nobody renewed; connect again to get a fresh one")
        expired = await end(now=self._ages.ago(0, within=policy.lease_max or DAY), suspended_before=-inf, ending=ending)
        self._end(expired, ending, "expired")
        what = f"suspended for {policy.suspended_kept:g} s"
        ending = Ending(f"was {what} and released; connect again to get a fresh one")
        forgotten = await end(now=-inf, suspended_before=self._ages.ago(policy.suspended_kept), ending=ending)
        self._end(forgotten, ending, what)

    def _end(self, leases: Iterable[Lease], ending: Ending, reason: str) -> None:
        for lease in leases:
            self._means.events.emit(LeaseEnded(lease.key, _ids(lease), reason))
            self._retirement.destroy(lease.sandboxes, ending)

    async def _forgive(self) -> None:
        """Begin anew where the wall clock went back: what was active in its future would be idle much too late."""
        now = self._ages.now
        for lease in await self._means.store.leases():
            for record in lease.sandboxes:
                if (record.last_active_at or 0.0) > now:
                    with suppress(NotFound, SandboxDied):
                        await touch(self._means, record.sandbox_id, now=now)


def _ids(lease: Lease) -> tuple[str, ...]:
    return tuple(record.sandbox_id for record in lease.sandboxes)
