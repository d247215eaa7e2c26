"""Keeping boxes alive and noticing when they are not: heartbeats to each, and word of deaths from the engine."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from agentscope_runtime.sandbox.errors import SandboxError, StoreUnavailable
from agentscope_runtime.sandbox_manager.backends import Death, Unreachable, WatchBegins, WatchLost
from agentscope_runtime.sandbox_manager.events import BackendBack, BackendLost, SandboxSilent
from agentscope_runtime.sandbox_manager.freezing import keep_frozen
from agentscope_runtime.sandbox_manager.lease_notes import LeaseNotes
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import Ending, SandboxRecord, State

BEATS_PER_WATCHDOG = 4
"""So that a box ends itself only after three beats in a row were lost, or the manager is gone."""
PARALLEL = 16
MISSES_TOLERATED = 1
"""A second beat in a row that fails makes a warm box worthless, even if its container runs."""
SILENT = Ending("did not answer any more", died=True)
GONE = Ending("ended: its container is gone", died=True)


class Heartbeat:
    """Speaks to every box that is up, so that its watchdog rests, and retires those that are gone."""

    def __init__(self, means: Means, retirement: Retirement, notes: LeaseNotes | None = None) -> None:
        """Prepare.

        Args:
            means: Whose boxes are spoken to.
            retirement: Where those go that are gone.
            notes: Mends the notes that boxes have of their leases; without it, they need none.
        """
        self._means = means
        self._retirement = retirement
        self._notes = notes
        self._misses: Counter[str] = Counter()
        self._last: list[SandboxRecord] = []

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(self._means.policy.watchdog / BEATS_PER_WATCHDOG)

    async def beat(self) -> None:
        """Speak to every box once."""
        records = await self._heard()
        self._misses = Counter({record.sandbox_id: self._misses[record.sandbox_id] for record in records})
        slots = asyncio.Semaphore(PARALLEL)

        async def one(record: SandboxRecord) -> None:
            async with slots:
                await self._beat_one(record)

        async with asyncio.TaskGroup() as group:
            for record in records:
                group.create_task(one(record))

    async def _heard(self) -> list[SandboxRecord]:
        """Return the boxes to speak to: where several managers share them, the leader speaks to all.

        When the store is away nobody leads for long; then each speaks to those that it knows of, so that none ends.
        """
        try:
            if not self._means.membership.is_leader:
                await self._means.store.census()
                self._last = []
            else:
                self._last = [record for record in await self._means.store.sandboxes() if record.answers]
            return self._last
        except StoreUnavailable:
            known = {record.sandbox_id: record for record in (*self._last, *self._means.known.records())}
            return list(known.values())

    async def _beat_one(self, record: SandboxRecord) -> None:
        sandbox_id = record.sandbox_id
        if record.paused:
            await keep_frozen(self._means, record)
            return
        try:
            digest = await self._means.doorbell.heartbeat(record)
        except (Unreachable, SandboxError):
            self._misses[sandbox_id] += 1
            with suppress(StoreUnavailable):
                await self._missed(record, self._misses[sandbox_id])
        else:
            self._misses[sandbox_id] = 0
            if self._notes is not None:
                self._notes.check(record, digest)

    async def _missed(self, record: SandboxRecord, misses: int) -> None:
        try:
            alive = await self._means.backend.alive(record.sandbox_id)
            if not alive:
                await self._retirement.retire_dead(record, GONE)
            elif record.state is State.LEASED:
                # Whoever was to thaw it may have died over it.
                await self._means.backend.unpause(record.sandbox_id)
        except SandboxError:
            return  # the engine, or the store, does not answer either; nothing is known
        if alive and misses > MISSES_TOLERATED:
            await self._silent(record, misses)

    async def _silent(self, record: SandboxRecord, misses: int) -> None:
        try:
            record = await self._means.store.get(record.sandbox_id)
        except SandboxError:
            return
        if record.state is State.WARM:
            await self._retirement.retire(record.sandbox_id, SILENT)
        else:  # it may be busy with what its holder asked for: taking it away would lose their work
            self._means.events.emit(SandboxSilent(record.sandbox_id, record.sandbox_type, misses))


class DeathWatch:
    """Listens to the engine, so that a death is known at once."""

    def __init__(self, means: Means, retirement: Retirement, look: asyncio.Event) -> None:
        """Prepare.

        Args:
            means: Whose backend is watched.
            retirement: Where the dead go.
            look: Set when deaths may have been missed.
        """
        self._means = means
        self._retirement = retirement
        self._look = look
        self._lost = False

    async def run(self) -> None:
        """Listen until cancelled."""
        async for news in self._means.backend.watch(of_all=self._means.shared):
            match news:
                case Death(sandbox_id=sandbox_id, reason=reason):
                    await self._died(sandbox_id, reason)
                case WatchBegins():
                    if self._lost:
                        self._lost = False
                        self._means.events.emit(BackendBack())
                    self._look.set()
                case WatchLost(reason=reason):
                    if not self._lost:
                        self._lost = True
                        self._means.events.emit(BackendLost(reason))

    async def _died(self, sandbox_id: str, reason: str) -> None:
        try:
            record = await self._means.store.get(sandbox_id)
        except SandboxError:
            return  # expected, or not ours
        # While it starts, whoever brings it up notices, and knows its last words.
        if not record.answers:
            return
        with suppress(SandboxError):  # then the reconciler finds it
            # The word of the end of a container that was suspended may come after its successor is up.
            if record.restored and await self._means.backend.alive(sandbox_id):
                return
            await self._retirement.retire(sandbox_id, Ending(reason, died=True))
