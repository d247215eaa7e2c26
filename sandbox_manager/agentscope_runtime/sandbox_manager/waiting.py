"""How a session waits for sandboxes that are not ready: it claims again whenever there is news of them.

What it was promised is given back if it leaves. Not here: who is told of what (`arrivals`), and what is started first
(`launcher`), and whose turn it is when there is no room (`admission`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from agentscope_runtime.sandbox.errors import PoolExhausted, QuotaExceeded, StartFailed, StoreUnavailable
from agentscope_runtime.sandbox_manager.admission import Admission
from agentscope_runtime.sandbox_manager.arrivals import Arrivals, Ticket
from agentscope_runtime.sandbox_manager.launcher import Launcher
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.refill import Refill
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import LeaseKey, Wish
from agentscope_runtime.sandbox_manager.stores import DISPLACED, LEFT, Claim

WHOLE_WITHIN = 10.0
"""Seconds that a session waits for a store to be filled that came back empty."""
ATTEMPTS = 2
"""Starts that a waiting session is given: one may fail by bad luck."""


class Waiting:
    """Claims for sessions until they have what they asked for."""

    def __init__(
        self,
        means: Means,
        arrivals: Arrivals,
        admission: Admission,
        launcher: Launcher,
        retirement: Retirement,
        refill: Refill,
    ) -> None:
        self._means = means
        self._arrivals = arrivals
        self._launcher = launcher
        self._retirement = retirement
        self._refill = refill
        self._admission = admission

    async def at_once(self, wish: Wish) -> Claim:
        """Claim what is ready, unless that would overtake somebody who waits for room; nothing else is begun."""
        means = self._means
        wish = wish.as_it_is() if self._admission.hinders_call(wish) else wish
        with suppress(PoolExhausted, QuotaExceeded):  # until_granted says so, or waits
            try:
                return await means.store.claim(wish, {}, limits=means.policy.limits, now=means.clock())
            except StoreUnavailable:
                if not await self._is_whole_soon():
                    raise
                return await means.store.claim(wish, {}, limits=means.policy.limits, now=means.clock())
        return Claim()

    async def until_granted(self, wish: Wish, patience: float = 0.0) -> Claim:
        """Return the claim that has the lease.

        Args:
            wish: What is claimed.
            patience: Seconds to wait for room, if there is none.

        Raises:
            QuotaExceeded, PoolExhausted: The limits forbid to start what is missing.
            StartFailed, ImageMissing, BackendUnavailable: What is missing could not be started.
        """
        key, types, timeout = wish.key, wish.types, self._means.policy.start_timeout
        until = asyncio.get_running_loop().time() + patience
        with self._arrivals.waiting(key, types) as ticket:
            try:
                claim = await self._admit(wish, ticket, until)
                async with asyncio.timeout(timeout):
                    return await self._until_ready(wish, ticket, claim, until)
            except TimeoutError as e:
                await self._give_back(key, ticket)
                raise StartFailed(
                    f"not all of {', '.join(types)} were ready within {timeout:g} s; "
                    f"{self._launcher.queued} starts are queued; see /v1/pool for failures"
                ) from e
            except BaseException:
                await self._give_back(key, ticket)
                raise

    async def forget(self, key: LeaseKey, types: Iterable[str]) -> None:
        """Give back what was promised to a key for which nobody waits any more, here or at a manager that is gone."""
        with self._arrivals.waiting(key, tuple(types)) as ticket:
            await self._give_back(key, ticket)

    async def _is_whole_soon(self) -> bool:
        """Tell whether the store, which came back empty, is filled again within a time that a caller may wait."""
        membership = self._means.membership
        if membership.is_whole:
            return False  # it does not answer, for another reason
        with suppress(TimeoutError):
            async with asyncio.timeout(WHOLE_WITHIN):
                await membership.wait_until_whole()
        return membership.is_whole

    async def _until_ready(self, wish: Wish, ticket: Ticket, claim: Claim, until: float) -> Claim:
        failures = 0
        while claim.lease is None:
            try:
                await ticket.news()
            except StartFailed:
                failures += 1
                if failures == ATTEMPTS:
                    raise
            claim = await self._admit(wish, ticket, until)
        return claim

    async def _admit(self, wish: Wish, ticket: Ticket, until: float) -> Claim:
        return await self._admission.admit(wish, ticket, partial(self._claim, ticket), until=until)

    async def _claim(self, ticket: Ticket, wish: Wish) -> Claim:
        means = self._means
        claim = await means.store.claim(wish, means.drafts(wish), limits=means.policy.limits, now=means.clock())
        self._retirement.destroy(claim.displaced, DISPLACED)
        self._launcher.submit(claim.begun)
        self._launcher.hurry(record.sandbox_id for record in claim.awaited)
        if claim.begun:
            # Other calls of this key may wait for room that they need no more.
            self._arrivals.wake(wish.key, but=ticket)
        if claim.lease is None:
            self._refill.wake()  # what was starting for the pool may be ours now
        return claim

    async def _give_back(self, key: LeaseKey, ticket: Ticket) -> None:
        types = ticket.types - self._arrivals.wanted_by_others(key, ticket)
        given = await self._means.store.give_back(key, sorted(types))
        self._retirement.destroy(given.ended, LEFT)
        for served in given.served:
            self._arrivals.wake(served)
        # A call that came in between may have counted on what was given back.
        self._arrivals.wake(key)
        self._admission.room()
        self._refill.wake()
