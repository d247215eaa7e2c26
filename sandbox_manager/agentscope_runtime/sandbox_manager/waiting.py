"""How a session waits for sandboxes that are not ready: it claims again whenever there is news of them.

What it was promised is given back if it leaves. Not here: who is told of what (`arrivals`), and what is started first
(`launcher`).
"""

from __future__ import annotations

import asyncio

from agentscope_runtime.sandbox.errors import StartFailed
from agentscope_runtime.sandbox_manager.arrivals import Arrivals, Ticket
from agentscope_runtime.sandbox_manager.launcher import Launcher
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.refill import Refill
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import LeaseKey, Wish
from agentscope_runtime.sandbox_manager.stores import DISPLACED, LEFT, Claim

ATTEMPTS = 2
"""Starts that a waiting session is given: one may fail by bad luck."""


class Waiting:
    """Claims for sessions until they have what they asked for."""

    def __init__(
        self, means: Means, arrivals: Arrivals, launcher: Launcher, retirement: Retirement, refill: Refill
    ) -> None:
        self._means = means
        self._arrivals = arrivals
        self._launcher = launcher
        self._retirement = retirement
        self._refill = refill

    async def until_granted(self, wish: Wish) -> Claim:
        """Return the claim that has the lease.

        Raises:
            QuotaExceeded, PoolExhausted: The limits forbid to start what is missing.
            StartFailed, ImageMissing, BackendUnavailable: What is missing could not be started.
        """
        key, types, timeout = wish.key, wish.types, self._means.policy.start_timeout
        with self._arrivals.waiting(key, types) as ticket:
            try:
                async with asyncio.timeout(timeout):
                    return await self._claim_until_granted(wish, ticket)
            except TimeoutError as e:
                await self._give_back(key, ticket)
                raise StartFailed(
                    f"not all of {', '.join(types)} were ready within {timeout:g} s; "
                    f"{self._launcher.queued} starts are queued; see /v1/pool for failures"
                ) from e
            except BaseException:
                await self._give_back(key, ticket)
                raise

    async def _claim_until_granted(self, wish: Wish, ticket: Ticket) -> Claim:
        failures = 0
        while True:
            drafts = self._means.drafts(wish)
            limits = self._means.policy.limits
            claim = await self._means.store.claim(wish, drafts, limits=limits, now=self._means.clock())
            self._retirement.destroy(claim.displaced, DISPLACED)
            self._launcher.submit(claim.begun)
            self._launcher.hurry(record.sandbox_id for record in claim.awaited)
            if claim.lease is not None:
                return claim
            self._refill.wake()  # what was starting for the pool may be ours now
            try:
                await ticket.news()
            except StartFailed:
                failures += 1
                if failures == ATTEMPTS:
                    raise

    async def _give_back(self, key: LeaseKey, ticket: Ticket) -> None:
        types = ticket.types - self._arrivals.wanted_by_others(key, ticket)
        given = await self._means.store.give_back(key, sorted(types))
        self._retirement.destroy(given.ended, LEFT)
        for served in given.served:
            self._arrivals.wake(served)
        # A call that came in between may have counted on what was given back.
        self._arrivals.wake(key)
        self._refill.wake()
