"""The pool: sessions get sandboxes here, use them, and give them up.

It decides by asking the store, does the slow things outside of it, and gives back what a caller who left had reserved.
A claim that finds everything warm touches no engine and no box. That a member lives is known from heartbeats and from
the engine's word of deaths, not asked on the way; one that died within the last moments is found at its first use, by
a typed error that says to connect again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import (
    Draining,
    InvalidRequest,
    NotFound,
    StoreUnavailable,
    Unavailable,
)
from agentscope_runtime.sandbox_manager.admission import Admission
from agentscope_runtime.sandbox_manager.arrivals import Arrivals
from agentscope_runtime.sandbox_manager.box import Box, Boxes
from agentscope_runtime.sandbox_manager.events import (
    Events,
    LeaseEnded,
)
from agentscope_runtime.sandbox_manager.freezing import thawed, touch
from agentscope_runtime.sandbox_manager.identity import Identity
from agentscope_runtime.sandbox_manager.launcher import Launcher
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.neighbours import Neighbours
from agentscope_runtime.sandbox_manager.outcomes import Outcomes
from agentscope_runtime.sandbox_manager.outfitting import begin, outfit
from agentscope_runtime.sandbox_manager.reaper import Activity
from agentscope_runtime.sandbox_manager.refill import Refill
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import NO_OPTIONS, Ending, Lease, LeaseKey, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores import Claim, StaleLeader
from agentscope_runtime.sandbox_manager.stores.redis.shelf import RedisShelf
from agentscope_runtime.sandbox_manager.suspension import Suspension
from agentscope_runtime.sandbox_manager.tally import Tally
from agentscope_runtime.sandbox_manager.verdicts import Verdicts
from agentscope_runtime.sandbox_manager.waiting import Waiting
from agentscope_runtime.sandbox_manager.waking import Waking

RELEASED = Ending("was released")
STOPPING = "this sandbox manager is about to end; connect again: another one, or the next, serves it"
UNFIT = Ending("could not be made what its lease asked for; connect again")
SHUTDOWN = Ending("was removed because its manager stopped")


class Pool:
    """Sandboxes by session, and those that are ready for the next one."""

    def __init__(self, means: Means, boxes: Boxes | None = None) -> None:
        """Build the pool; `lifespan.running` runs its background tasks.

        Args:
            means: What it works with.
            boxes: For calls to boxes; without it, `use` is not possible (boxes in memory, in tests).
        """
        self._means = means
        self.store, self.backend, self.membership = means.store, means.backend, means.membership
        self._boxes = boxes
        self._arrivals = Arrivals()
        self.admission = Admission(means.policy.queue_length)
        self._closed = False
        self.activity = Activity()
        self.launcher = Launcher(
            means,
            on_ready=lambda record, took: self._outcomes.ready(record, took),
            on_failed=lambda record, error: self._outcomes.failed(record, error),
            on_dropped=lambda record: self._outcomes.dropped(record),
        )
        self.retirement = Retirement(means, self.launcher, self._arrivals)
        self._verdict = Verdicts(means, self.retirement)
        self.refill = Refill(means, self.launcher, self.retirement, self.admission)
        self.suspension = Suspension(means, self.launcher, self._arrivals)
        self._outcomes = Outcomes(means, self._arrivals, self.retirement, self.suspension)
        self._waking = Waking(means, self.connect)
        self._tally = Tally(means, self.refill, self.admission)
        self._waiting = Waiting(means, self._arrivals, self.admission, self.launcher, self.retirement, self.refill)
        self.neighbours = Neighbours(means, self._arrivals, self.admission, self.launcher, self.refill)
        self.forget = self._waiting.forget
        self.shelf: RedisShelf | None = None  # where managers that share this pool keep each other's secrets

    @property
    def identity(self) -> Identity:
        """The installation that this pool belongs to."""
        return self._means.identity

    @property
    def events(self) -> Events:
        """What happens here; subscribe to it."""
        return self._means.events

    @property
    def idle_timeout(self) -> float:
        """Seconds without use after which a lease is idle."""
        return self._means.policy.idle_timeout

    @property
    def idle_action(self) -> str:
        """What happens then: `suspend` or `release`."""
        return self._means.policy.idle_action

    # --- sessions

    async def connect(
        self, key: LeaseKey, sandbox_types: Sequence[str], options: wire.LeaseOptions = NO_OPTIONS, wait_s: float = 0.0
    ) -> Lease:
        """Give `key` one sandbox of each kind, all or none; again the same ones when it asks again.

        Where the limits leave no room, it waits in line for up to `wait_s` seconds.

        Raises:
            UnknownSandboxType: Nobody registered such a kind.
            InvalidRequest: No kind, or one twice; or options that are not those of what it holds already.
            QuotaExceeded: The user would have more than one user may, and no room came in time.
            PoolExhausted: The limits forbid to start what is missing, and no room came in time.
            StartFailed, ImageMissing, BackendUnavailable: What is missing could not be started.
        """
        wish = Wish(key, self._checked(sandbox_types, options), options, self._means.policy.lease_max)
        began = asyncio.get_running_loop().time()
        claim = await self._waiting.at_once(wish)
        self.refill.arrived(wish.types)
        if claim.lease is None:
            claim = await self._waiting.until_granted(wish, wait_s)
        while claim.lease and not claim.granted and await self._waking.outfitted(claim.lease.sandboxes):
            # What another call was given, and gave up, is gone.
            claim = await self._waiting.until_granted(wish, wait_s)
        assert claim.lease is not None
        with self._waking.outfitting(claim.granted):
            self._tally.granted(key, claim.granted, waited=asyncio.get_running_loop().time() - began)
            lease = await self._thawed(claim.lease)
            await self._outfit(wish, claim)
        return lease

    async def renew(self, key: LeaseKey, seconds: float | None) -> Lease:
        """Let the lease of `key` end so many seconds from now, by default as late as a new one would; counts as use.

        Raises:
            InvalidRequest: More than a lease may live.
            NotFound: `key` holds nothing.
        """
        most = self._means.policy.lease_max
        if seconds is not None and 0 < most < seconds:
            raise InvalidRequest(
                f"a lease may live for {most:g} s from its renewal (LEASE_MAX_SECONDS), not {seconds:g}"
            )
        life = seconds or most
        lease = await self.store.renew(key, expires_at=self._means.clock() + life if life else None)
        if lease is None:
            raise NotFound(f"{key} holds no sandboxes; connect to get some")
        for record in lease.sandboxes:
            await self._waking.used(record.sandbox_id)
        return lease

    async def release(self, key: LeaseKey) -> None:
        """End what `key` holds, and what it waits for; fine if that is nothing. Destroys in the background."""
        self._arrivals.abort(key, Unavailable(f"{key} was released while it was being connected; connect again"))
        given = await self.store.end_lease(key, RELEASED)
        if given.ended:
            self.events.emit(LeaseEnded(key, tuple(record.sandbox_id for record in given.ended), "released"))
        self.retirement.destroy(given.ended, RELEASED)
        for served in given.served:
            self._arrivals.wake(served)
        self.refill.wake()

    async def release_sandbox(self, sandbox_id: str) -> None:
        """End one sandbox, and leave the rest of its lease; fine if there is none. Destroys in the background."""
        await self.retirement.retire(sandbox_id, RELEASED)

    @asynccontextmanager
    async def use(self, sandbox_id: str) -> AsyncIterator[Box]:
        """Open a leased sandbox for calls; counts as activity for as long as the context is open.

        Raises:
            SandboxNotFound: It is unknown, was released, or nobody has leased it.
            SandboxDied: It ended while it was leased.
            Unavailable: It is suspended, and cannot be started; the class says why.
        """
        record = await self.awake(sandbox_id)
        try:
            with self.activity.of(sandbox_id):
                yield self.reach(record)
        finally:
            await self._waking.used(sandbox_id)

    async def awake(self, sandbox_id: str) -> SandboxRecord:
        """Return a leased sandbox that answers: one that rests is woken. It counts as use, and raises as `use` does."""
        return await self._waking.awake(sandbox_id)

    async def touch(self, sandbox_id: str) -> SandboxRecord:
        """Take note that somebody still wants a sandbox; one that is suspended stays so.

        Raises:
            SandboxNotFound: It is unknown, was released, or nobody has leased it.
            SandboxDied: It ended while it was leased.
        """
        return await touch(self._means, sandbox_id, now=self._means.clock())

    def reach(self, record: SandboxRecord) -> Box:
        """Return the box of a sandbox in any state, for the pool's own errands; it counts as no activity."""
        if self._boxes is None:
            raise Unavailable("this pool has no way to talk to sandboxes")
        return self._boxes.open(record, self._verdict)

    # --- questions

    async def leases(self) -> list[Lease]:
        """Return all leases, oldest first."""
        return await self.store.leases()

    async def sandboxes(self) -> list[SandboxRecord]:
        """Return all sandboxes, in any state, oldest first."""
        return await self.store.sandboxes()

    async def sandbox(self, sandbox_id: str) -> SandboxRecord:
        """Return one sandbox.

        Raises:
            SandboxNotFound: It is unknown, or was released.
            SandboxDied: It ended while it was needed.
        """
        return await self.store.get(sandbox_id)

    async def report(self) -> wire.PoolReport:
        """Return how the pool stands, by kind."""
        return await self._tally.report()

    def drain(self) -> None:
        """Begin nothing new; sessions that wait are told to connect elsewhere."""
        self._closed = True
        self._arrivals.abort_all(Draining(STOPPING))
        self.admission.close(Draining(STOPPING))

    async def aclose(self, *, destroy: bool, within: float) -> int:
        """Start nothing any more; if `destroy`, destroy all sandboxes, and return how many could not be in time.

        Leases that are shared with other managers are theirs: what this one has begun is finished, or undone, and
        `destroy` is about what nobody has leased.
        """
        self.drain()
        await self._waking.aclose()
        await self.launcher.aclose()
        await self.suspension.aclose()
        if self._means.shared:
            with suppress(StoreUnavailable, StaleLeader):  # then whoever leads finds it
                for record in await self.store.take_over(self.store.manager):
                    if record.state is State.STARTING and not record.restored:  # these rest again, at whoever leads
                        await self.retirement.retire(record.sandbox_id, SHUTDOWN)
                for kind in await self.store.census() if destroy else ():
                    fence = self._means.membership.fence  # of whoever leads: a newer one has begun to fill the pool
                    free = await self.store.trim(kind, keep=0, ending=SHUTDOWN, fence=fence)
                    self.retirement.destroy(free, SHUTDOWN)
        elif destroy:
            for record in await self.store.sandboxes():
                await self.retirement.retire(record.sandbox_id, SHUTDOWN)
        left = await self.retirement.drained(within) if destroy or self._means.shared else 0
        await self.retirement.aclose()
        return left

    # --- steps

    def _checked(self, sandbox_types: Sequence[str], options: wire.LeaseOptions) -> tuple[str, ...]:
        types = tuple(sandbox_types)
        self._means.check(types, options)
        if self._closed:
            raise Draining(STOPPING)
        return types

    async def _outfit(self, wish: Wish, claim: Claim) -> None:
        assert claim.lease is not None
        try:
            await begin(self._means, claim.lease.sandboxes)
            await outfit(self._means, claim.lease.sandboxes if wish.options != NO_OPTIONS else claim.granted)
        except BaseException:
            # All or none: what this call was given, and nobody was told of, goes; but what was there before stays.
            for record in claim.granted:
                if not record.restored:
                    await self.retirement.retire(record.sandbox_id, UNFIT)
            raise

    async def _thawed(self, lease: Lease) -> Lease:
        if not any(record.paused for record in lease.sandboxes):
            return lease
        records = [await thawed(self._means, record) if record.paused else record for record in lease.sandboxes]
        return replace(lease, sandboxes=tuple(records))
