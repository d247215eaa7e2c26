"""The store of a manager that is alone: dictionaries in memory.

No verb awaits, so each runs in one piece between two turns of the event loop: that is the lock. It must not be used
from several threads.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentscope_runtime.sandbox.errors import PoolExhausted, SandboxNotFound
from agentscope_runtime.sandbox_manager.states import (
    MAY_BECOME,
    NO_OPTIONS,
    Address,
    Census,
    Ending,
    Lease,
    LeaseKey,
    SandboxRecord,
    State,
    Wish,
)
from agentscope_runtime.sandbox_manager.stores import LEFT, Claim, GivenBack
from agentscope_runtime.sandbox_manager.stores.departed import Departed

RETRY_AFTER = 2.0
"""Seconds that a refused caller is told to wait: about what a session needs to end or a sandbox to be removed."""
DISPLACED = Ending("made room in the pool for another kind")

_Ids = OrderedDict[str, None]  # an ordered set whose first member is found in constant time


class MemoryStore:
    """Records in this process; they end with it."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._records: dict[str, SandboxRecord] = {}
        self._departed = Departed()
        # Below: indexes of _records, written by _index and _unindex only.
        self._held: dict[LeaseKey, dict[str, str]] = {}  # key -> kind -> id, promised or leased
        self._free: defaultdict[tuple[str, State], _Ids] = defaultdict(OrderedDict)  # STARTING or WARM without a key
        self._waiting: defaultdict[str, OrderedDict[LeaseKey, str]] = defaultdict(OrderedDict)  # STARTING with a key
        self._counts: Counter[tuple[str, State]] = Counter()
        self._size = 0  # STARTING, WARM and LEASED: what the limit is about

    # --- pool members

    async def record_start(self, draft: SandboxRecord, *, limit: int) -> bool:
        """See `Store.record_start`."""
        if limit and self._size >= limit:
            return False
        self._put(draft)
        return True

    async def record_container(
        self, sandbox_id: str, *, container_id: str, image_id: str, address: Address
    ) -> SandboxRecord | None:
        """See `Store.record_container`."""
        record = self._records.get(sandbox_id)
        if record is None or record.state is not State.STARTING:
            return None
        return self._put(replace(record, container_id=container_id, image_id=image_id, address=address))

    async def mark_ready(self, sandbox_id: str) -> SandboxRecord | None:
        """See `Store.mark_ready`."""
        record = self._records.get(sandbox_id)
        if record is None or record.state is not State.STARTING:
            return None
        return self._serve(replace(record, state=State.WARM))

    async def trim(self, sandbox_type: str, *, keep: int, ending: Ending) -> tuple[SandboxRecord, ...]:
        """See `Store.trim`."""
        states = (State.STARTING, State.WARM)
        free = [self._records[each] for state in states for each in self._free[sandbox_type, state]]
        free.sort(key=lambda record: (record.state is State.WARM, -record.created_at))
        return tuple(self._stop(record, ending) for record in free[: max(0, len(free) - keep)])

    # --- leases

    async def claim(self, wish: Wish, drafts: Mapping[str, SandboxRecord], *, limit: int, now: float) -> Claim:
        """See `Store.claim`."""
        key, types = wish.key, wish.types
        mine = {kind: self._records[sandbox_id] for kind, sandbox_id in self._held.get(key, {}).items()}
        options = wish.agreed(mine.values())
        missing = [kind for kind in types if kind not in mine]
        taken = {} if options.needs_own else {kind: found for kind in missing if (found := self._first_free(kind))}
        absent = [kind for kind in missing if kind not in taken]
        ready = not absent and all((mine.get(kind) or taken[kind]).state is not State.STARTING for kind in types)
        if not ready and not drafts:
            return Claim()
        volume = next((record.volume for record in mine.values() if record.volume), None)
        begun = tuple(replace(drafts[kind], volume=volume or drafts[kind].volume) for kind in absent)
        displaced = self._make_room(len(begun), limit, keep={record.sandbox_id for record in taken.values()})
        for record in (*taken.values(), *begun):
            mine[record.sandbox_type] = replace(record, key=key, warm=record.state is State.WARM)
        mine = {kind: self._put(replace(record, options=options)) for kind, record in mine.items()}
        if not ready:
            awaited = tuple(mine[kind] for kind in types if mine[kind].state is State.STARTING)
            return Claim(begun=tuple(mine[kind] for kind in absent), awaited=awaited, displaced=displaced)
        fresh = [kind for kind in types if mine[kind].state is State.WARM]
        leased = {kind: self._lease(mine[kind], wish, now) for kind in types}
        return Claim(
            lease=Lease(key, tuple(leased[kind] for kind in types)), granted=tuple(leased[kind] for kind in fresh)
        )

    async def give_back(self, key: LeaseKey, types: Sequence[str]) -> GivenBack:
        """See `Store.give_back`."""
        served, ended = [], []
        for kind, sandbox_id in list(self._held.get(key, {}).items()):
            record = self._records[sandbox_id]
            if kind not in types or record.state is State.LEASED:
                continue
            if record.options.needs_own:
                ended.append(self._stop(record, LEFT))
                continue
            record = self._put(replace(record, key=None, warm=False, options=NO_OPTIONS))
            if record.state is State.WARM and (key_served := self._serve(record).key) is not None:
                served.append(key_served)
        return GivenBack(tuple(served), tuple(ended))

    async def end_lease(self, key: LeaseKey, ending: Ending) -> tuple[SandboxRecord, ...]:
        """See `Store.end_lease`."""
        self._departed.forget(key)
        held = self._held.get(key, {})
        given = await self.give_back(key, list(held))
        leased = (self._stop(self._records[sandbox_id], ending) for sandbox_id in list(held.values()))
        return (*given.ended, *leased)

    async def end_idle(self, *, idle_since: float, ending: Ending) -> tuple[Lease, ...]:
        """See `Store.end_idle`."""
        self._departed.forget_idle(idle_since)
        leases = await self.leases()
        idle = [each for each in leases if all((one.last_active_at or 0.0) <= idle_since for one in each.sandboxes)]
        for lease in idle:
            for record in lease.sandboxes:
                self._stop(record, ending)
        return tuple(idle)

    async def touch(self, sandbox_id: str, *, now: float) -> SandboxRecord:
        """See `Store.touch`."""
        record = await self.get(sandbox_id)
        if record.state is not State.LEASED:
            raise SandboxNotFound(f"sandbox {sandbox_id} is {record.state.value}: no session has leased it")
        self._records[sandbox_id] = record = replace(record, last_active_at=now)
        return record

    async def change_mcp_servers(
        self, sandbox_id: str, added: Mapping[str, Any], *, overwrite: bool = False, removed: str | None = None
    ) -> None:
        """See `Store.change_mcp_servers`."""
        record = self._records.get(sandbox_id)
        if record is not None and record.state is State.LEASED:
            self._put(record.with_mcp_servers(added, overwrite=overwrite, without=removed))

    # --- endings

    async def mark_stopping(self, sandbox_id: str, ending: Ending) -> SandboxRecord | None:
        """See `Store.mark_stopping`."""
        record = self._records.get(sandbox_id)
        if record is None or record.state is State.STOPPING:
            return None
        self._stop(record, ending)
        return record

    async def forget(self, sandbox_id: str) -> None:
        """See `Store.forget`."""
        record = self._records.get(sandbox_id)
        if record is not None and record.state is State.STOPPING:
            self._unindex(self._records.pop(sandbox_id))

    # --- questions

    async def get(self, sandbox_id: str) -> SandboxRecord:
        """See `Store.get`."""
        record = self._records.get(sandbox_id)
        if record is not None and record.state is not State.STOPPING:
            return record
        if ending := self._departed.ending(sandbox_id):
            raise ending.to_error(sandbox_id)
        raise SandboxNotFound(f"there is no sandbox {sandbox_id}")

    async def sandboxes(self) -> list[SandboxRecord]:
        """See `Store.sandboxes`."""
        return list(self._records.values())

    async def leases(self) -> list[Lease]:
        """See `Store.leases`."""
        leases = []
        for key, held in self._held.items():
            records = (self._records[sandbox_id] for sandbox_id in held.values())
            if leased := tuple(record for record in records if record.state is State.LEASED):
                leases.append(Lease(key, leased))
        return leases

    async def census(self) -> dict[str, Census]:
        """See `Store.census`."""
        result = {}
        for kind in {kind for (kind, _), count in self._counts.items() if count}:
            ready, unclaimed_starts = len(self._free[kind, State.WARM]), len(self._free[kind, State.STARTING])
            result[kind] = Census(
                starting=self._counts[kind, State.STARTING] + self._counts[kind, State.WARM] - ready,
                ready=ready,
                leased=self._counts[kind, State.LEASED],
                stopping=self._counts[kind, State.STOPPING],
                unclaimed=ready + unclaimed_starts,
            )
        return result

    # --- steps that the verbs are made of

    def _first_free(self, kind: str) -> SandboxRecord | None:
        for state in (State.WARM, State.STARTING):
            if free := self._free.get((kind, state)):
                return self._records[next(iter(free))]
        return None

    def _make_room(self, wanted: int, limit: int, *, keep: Iterable[str]) -> tuple[SandboxRecord, ...]:
        lacking = self._size + wanted - limit if limit and wanted else 0
        if lacking <= 0:
            return ()
        # Those that only start go first: nobody would notice that they are missing for a while yet.
        order = sorted((item for item in self._free.items() if item[1]), key=lambda item: item[0][1] is State.WARM)
        chosen = [sandbox_id for _, ids in order for sandbox_id in ids if sandbox_id not in keep][:lacking]
        if len(chosen) < lacking:
            raise PoolExhausted(
                f"all {limit} sandboxes that MAX_SANDBOX_INSTANCES allows are taken; release one, wait, or raise it",
                retry_after=RETRY_AFTER,
                limit=limit,
            )
        return tuple(self._stop(self._records[sandbox_id], DISPLACED) for sandbox_id in chosen)

    def _serve(self, record: SandboxRecord) -> SandboxRecord:
        """Put a WARM sandbox where it is wanted most: with the key that waits longest for its kind, if there is one."""
        waiting = self._waiting[record.sandbox_type]
        first = None if record.options.needs_own else next(iter(waiting), None)
        if first is not None and first != record.key:
            other = self._records[waiting[first]]
            self._put(replace(other, key=record.key, options=record.options))
            record = replace(record, key=first, options=other.options)
        return self._put(record)

    def _lease(self, record: SandboxRecord, wish: Wish, now: float) -> SandboxRecord:
        asked = wish.options.mcp_servers or {}
        if record.state is State.LEASED:
            return self._put(replace(record.with_mcp_servers(asked), last_active_at=now))
        had = self._departed.legacy(wish.key, record.sandbox_type, record.options.mcp_servers or {})
        record = replace(record, mcp_servers={**had, **asked}, generation=record.generation + 1)
        return self._put(replace(record, state=State.LEASED, leased_at=now, last_active_at=now))

    def _stop(self, record: SandboxRecord, ending: Ending) -> SandboxRecord:
        self._departed.note(record, ending)
        return self._put(replace(record, state=State.STOPPING))

    def _put(self, record: SandboxRecord) -> SandboxRecord:
        old = self._records.get(record.sandbox_id)
        if old is not None:
            if old.state is not record.state and record.state not in MAY_BECOME[old.state]:
                raise AssertionError(f"{old.sandbox_id} cannot become {record.state.value} from {old.state.value}")
            if (old.state, old.key) == (record.state, record.key):
                self._records[record.sandbox_id] = record
                return record
            self._unindex(old)
        self._records[record.sandbox_id] = record
        self._index(record)
        return record

    def _index(self, record: SandboxRecord) -> None:
        kind, state, key, sandbox_id = record.sandbox_type, record.state, record.key, record.sandbox_id
        self._counts[kind, state] += 1
        if state is State.STOPPING:
            return
        self._size += 1
        if key is not None:
            self._held.setdefault(key, {})[kind] = sandbox_id
            if state is State.STARTING and not record.options.needs_own:
                self._waiting[kind][key] = sandbox_id
        elif state is not State.LEASED:
            self._free[kind, state][sandbox_id] = None

    def _unindex(self, record: SandboxRecord) -> None:
        kind, state, key, sandbox_id = record.sandbox_type, record.state, record.key, record.sandbox_id
        self._counts[kind, state] -= 1
        if state is State.STOPPING:
            return
        self._size -= 1
        if key is None:
            self._free[kind, state].pop(sandbox_id, None)
            return
        # After a swap the entry may name the other sandbox already: that one stays, and keeps its place in the queue.
        if (held := self._held.get(key)) is not None and held.get(kind) == sandbox_id:
            del held[kind]
            if not held:
                del self._held[key]
        if self._waiting[kind].get(key) == sandbox_id:
            del self._waiting[kind][key]
