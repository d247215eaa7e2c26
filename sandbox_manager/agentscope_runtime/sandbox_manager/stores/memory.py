"""The store of a manager that is alone: dictionaries in memory.

No verb awaits, so each runs in one piece between two turns of the event loop: that is the lock. It must not be used
from several threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentscope_runtime.sandbox.errors import SandboxError, SandboxNotFound
from agentscope_runtime.sandbox_manager.states import (
    NO_OPTIONS,
    Address,
    Census,
    Ending,
    Lease,
    LeaseKey,
    Limits,
    SandboxRecord,
    State,
    Wish,
)
from agentscope_runtime.sandbox_manager.stores import DISPLACED, LEFT, Claim, GivenBack, StaleLeader
from agentscope_runtime.sandbox_manager.stores.claiming import Plan, fits, plan
from agentscope_runtime.sandbox_manager.stores.departed import Departed
from agentscope_runtime.sandbox_manager.stores.ledger import Ledger
from agentscope_runtime.sandbox_manager.stores.news import News

UNFINISHED = frozenset({State.STARTING, State.SUSPENDING, State.STOPPING})


class MemoryStore:
    """Records in this process; they end with it."""

    def __init__(self, manager: str = "") -> None:
        """Start with nothing, in the name of a manager."""
        self._manager = manager
        self._all = Ledger()
        self._departed = Departed()
        self._fence = 0

    @property
    def manager(self) -> str:
        """See `Store.manager`."""
        return self._manager

    # --- pool members

    async def record_start(self, draft: SandboxRecord, *, limits: Limits, fence: int = 0) -> bool:
        """See `Store.record_start`."""
        self._check(fence)
        if not fits(self._all, draft, limits):
            return False
        self._all.put(draft)
        return True

    async def record_container(
        self, sandbox_id: str, *, container_id: str, image_id: str, address: Address
    ) -> SandboxRecord | None:
        """See `Store.record_container`."""
        record = self._all.records.get(sandbox_id)
        if record is None or record.state is not State.STARTING:
            return None
        return self._all.put(replace(record, container_id=container_id, image_id=image_id, address=address))

    async def mark_ready(self, sandbox_id: str) -> SandboxRecord | None:
        """See `Store.mark_ready`."""
        record = self._all.records.get(sandbox_id)
        if record is None or record.state is not State.STARTING:
            return None
        return self._all.serve(replace(record, state=State.WARM))

    async def trim(self, sandbox_type: str, *, keep: int, ending: Ending, fence: int = 0) -> tuple[SandboxRecord, ...]:
        """See `Store.trim`."""
        self._check(fence)
        free = sorted(self._all.free(sandbox_type), key=lambda each: (each.state is State.WARM, -each.created_at))
        return self._stop_all(free[: max(0, len(free) - keep)], ending)

    # --- leases

    async def claim(self, wish: Wish, drafts: Mapping[str, SandboxRecord], *, limits: Limits, now: float) -> Claim:
        """See `Store.claim`."""
        planned = plan(self._all, wish, drafts, limits=limits, now=now)
        if planned is None:
            return Claim()
        displaced = self._stop_all(planned.displaced, DISPLACED)
        mine = {record.sandbox_type: self._all.promise(record) for record in planned.records}
        if not planned.ready:
            awaited = tuple(mine[kind] for kind in wish.types if mine[kind].state in (State.STARTING, State.SUSPENDING))
            return Claim(begun=tuple(mine[kind] for kind in planned.begun), awaited=awaited, displaced=displaced)
        fresh = [kind for kind in wish.types if mine[kind].state is State.WARM]
        leased = {kind: self._lease(mine[kind], wish, planned, now) for kind in wish.types}
        lease = Lease(wish.key, tuple(leased[kind] for kind in wish.types))
        return Claim(lease=lease, granted=tuple(leased[kind] for kind in fresh))

    async def give_back(self, key: LeaseKey, types: Sequence[str]) -> GivenBack:
        """See `Store.give_back`."""
        served, ended = [], []
        for kind, record in self._all.of(key).items():
            if kind not in types or record.in_lease:
                continue
            if record.options.needs_own:
                ended.append(self._stop(record, LEFT))
                continue
            record = self._all.put(replace(record, key=None, warm=False, options=NO_OPTIONS))
            if record.state is State.WARM and (key_served := self._all.serve(record).key) is not None:
                served.append(key_served)
        return GivenBack(tuple(served), tuple(ended))

    async def touch(self, sandbox_id: str, *, now: float) -> SandboxRecord:
        """See `Store.touch`."""
        record = await self.get(sandbox_id)
        if record.state is State.LEASED:
            return self._use(record, now)
        if record.in_lease:
            return record
        raise SandboxNotFound(f"sandbox {sandbox_id} is {record.state.value}: no session has leased it")

    async def change_mcp_servers(
        self, sandbox_id: str, added: Mapping[str, Any], *, overwrite: bool = False, removed: str | None = None
    ) -> None:
        """See `Store.change_mcp_servers`."""
        record = self._all.records.get(sandbox_id)
        if record is not None and record.state is State.LEASED:
            self._all.put(record.with_mcp_servers(added, overwrite=overwrite, without=removed))

    async def renew(self, key: LeaseKey, *, expires_at: float | None) -> Lease | None:
        """See `Store.renew`."""
        records = [self._all.put(replace(record, expires_at=expires_at)) for record in self._lease_of(key)]
        return Lease(key, tuple(records)) if records else None

    async def end_lease(self, key: LeaseKey, ending: Ending) -> GivenBack:
        """See `Store.end_lease`."""
        self._departed.forget(key)
        given = await self.give_back(key, list(self._all.of(key)))
        return GivenBack(given.served, (*given.ended, *self._stop_all(self._lease_of(key), ending)))

    # --- time

    async def end_idle(self, *, idle_since: float, ending: Ending) -> tuple[Lease, ...]:
        """See `Store.end_idle`."""
        self._departed.forget_idle(idle_since)
        return self._end(self._all.active.due(idle_since), ending)

    async def suspend_idle(self, *, idle_since: float) -> tuple[Lease, ...]:
        """See `Store.suspend_idle`."""
        leases = []
        for key in self._all.active.due(idle_since):
            idle = tuple(record for record in self._lease_of(key) if record.answers)
            for record in idle:
                if record.state is State.WARM:
                    self._all.put(replace(record, state=State.LEASED))
                self._all.put(replace(record, state=State.SUSPENDING, manager=self._manager))
            if idle:
                leases.append(Lease(key, idle))
        return tuple(leases)

    async def mark_suspended(self, sandbox_id: str, *, now: float) -> SandboxRecord | None:
        """See `Store.mark_suspended`."""
        record = self._all.records.get(sandbox_id)
        if record is None or not record.in_lease or record.state not in (State.SUSPENDING, State.STARTING):
            return None
        record = replace(record, state=State.SUSPENDED, suspended_at=now, paused=False)
        return self._all.put(replace(record, container_id="", image_id="", address=None))

    async def pause_idle(self, *, idle_since: float) -> tuple[SandboxRecord, ...]:
        """See `Store.pause_idle`."""
        idle = [self._all.records[sandbox_id] for sandbox_id in self._all.running.due(idle_since)]
        return tuple(self._all.put(replace(record, paused=True)) for record in idle)

    async def end_expired(self, *, now: float, suspended_before: float, ending: Ending) -> tuple[Lease, ...]:
        """See `Store.end_expired`."""
        expired = self._all.expiring.due(now)
        return self._end(dict.fromkeys([*expired, *self._all.dormant.due(suspended_before)]), ending)

    # --- endings

    async def mark_stopping(self, sandbox_id: str, ending: Ending, *, if_free: bool = False) -> SandboxRecord | None:
        """See `Store.mark_stopping`."""
        record = self._all.records.get(sandbox_id)
        if record is None or record.state is State.STOPPING or (if_free and record.key is not None):
            return None
        self._stop(record, ending)
        return record

    async def forget(self, sandbox_id: str) -> bool:
        """See `Store.forget`."""
        record = self._all.records.get(sandbox_id)
        return record is not None and record.state is State.STOPPING and self._all.drop(sandbox_id)

    # --- many managers: there is one, but its records may be of others whose place it has taken

    async def adopt(self, record: SandboxRecord) -> bool:
        """See `Store.adopt`."""
        key, known = record.key, self._all.records.get(record.sandbox_id)
        behind = known is not None and known.is_behind(record)
        if (known is not None and not behind) or self._departed.ending(record.sandbox_id) or not record.is_adoptable:
            return False
        if key is not None and record.sandbox_type in self._all.of(key):
            return False
        if behind:
            self._all.put(replace(record, state=State.WARM, key=None))
        self._all.put(record)
        return True

    async def take_over(self, dead: str) -> tuple[SandboxRecord, ...]:
        """See `Store.take_over`."""
        left = [each for each in self._all.records.values() if each.manager == dead and each.state in UNFINISHED]
        return tuple(self._all.put(replace(record, manager=self._manager)) for record in left)

    async def fail(self, key: LeaseKey, sandbox_type: str, error: SandboxError) -> None:
        """See `Store.fail`: there is nobody to tell."""

    async def news(self) -> AsyncIterator[News]:
        """See `Store.news`: there is none."""
        await asyncio.Event().wait()
        yield  # type: ignore[misc]  # what makes this a generator

    # --- questions

    async def get(self, sandbox_id: str) -> SandboxRecord:
        """See `Store.get`."""
        record = self._all.records.get(sandbox_id)
        if record is not None and record.state is not State.STOPPING:
            return record
        if ending := self._departed.ending(sandbox_id):
            raise ending.to_error(sandbox_id)
        raise SandboxNotFound(f"there is no sandbox {sandbox_id}")

    async def held(self, key: LeaseKey) -> tuple[SandboxRecord, ...]:
        """See `Store.held`."""
        return tuple(self._all.of(key).values())

    async def sandboxes(self) -> list[SandboxRecord]:
        """See `Store.sandboxes`."""
        return list(self._all.records.values())

    async def leases(self) -> list[Lease]:
        """See `Store.leases`."""
        leases = (Lease(key, records) for key in self._all.holders() if (records := self._lease_of(key)))
        return sorted(leases, key=lambda lease: lease.since)

    async def waits(self) -> dict[LeaseKey, str]:
        """See `Store.waits`: whoever waits here dies with the store."""
        return {}

    async def census(self) -> dict[str, Census]:
        """See `Store.census`."""
        return self._all.census()

    # --- steps that the verbs are made of

    def _check(self, fence: int) -> None:
        if fence < self._fence:
            raise StaleLeader(f"fence {fence} is older than {self._fence}")
        self._fence = fence

    def _lease_of(self, key: LeaseKey) -> tuple[SandboxRecord, ...]:
        return tuple(record for record in self._all.of(key).values() if record.in_lease)

    def _lease(self, record: SandboxRecord, wish: Wish, planned: Plan, now: float) -> SandboxRecord:
        asked = wish.options.mcp_servers or {}
        if record.state is State.LEASED:
            return self._use(record.with_mcp_servers(asked), now)
        had: Mapping[str, Any] = record.mcp_servers
        if not record.restored:
            had = self._departed.legacy(wish.key, record.sandbox_type, record.options.mcp_servers or {})
        record = replace(
            record,
            state=State.LEASED,
            mcp_servers={**had, **asked},
            generation=record.generation + 1,
            leased_at=now if record.leased_at is None else record.leased_at,
            last_active_at=now,
            expires_at=planned.expires_at,
        )
        return self._all.put(record)

    def _use(self, record: SandboxRecord, now: float) -> SandboxRecord:
        """Record that a LEASED sandbox is active; return it as it is now, but for whether it was paused."""
        was = replace(record, last_active_at=now)
        self._all.put(replace(was, paused=False) if was.paused else was)
        return was

    def _end(self, keys: Iterable[LeaseKey], ending: Ending) -> tuple[Lease, ...]:
        leases = tuple(Lease(key, self._lease_of(key)) for key in keys)
        for lease in leases:
            self._stop_all(lease.sandboxes, ending)
        return leases

    def _stop_all(self, records: Iterable[SandboxRecord], ending: Ending) -> tuple[SandboxRecord, ...]:
        return tuple(self._stop(record, ending) for record in records)

    def _stop(self, record: SandboxRecord, ending: Ending) -> SandboxRecord:
        self._departed.note(record, ending)
        return self._all.put(replace(record, state=State.STOPPING, manager=self._manager))
