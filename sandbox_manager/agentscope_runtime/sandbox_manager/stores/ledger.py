"""The records of the memory store and every index of them, which are always right: `put` and `drop` write both.

No verb of the store needs to look at all records: what one costs depends on the key, the kind or what is due.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from agentscope_runtime.sandbox_manager.states import MAY_BECOME, OCCUPYING, Census, LeaseKey, SandboxRecord, State
from agentscope_runtime.sandbox_manager.stores.schedule import Schedule

_Ids = OrderedDict[str, None]  # an ordered set whose first member is found in constant time


class Ledger:
    """Sandboxes by id, by key, by kind, by time."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.records: dict[str, SandboxRecord] = {}
        self.active: Schedule[LeaseKey] = Schedule()
        """Leases in use, by their last activity."""
        self.expiring: Schedule[LeaseKey] = Schedule()
        self.dormant: Schedule[LeaseKey] = Schedule()
        """Leases that are suspended as a whole, by when the last of their sandboxes was."""
        self.running: Schedule[str] = Schedule()
        """LEASED sandboxes that are not paused, by their last activity."""
        self.size = 0
        """How many are OCCUPYING."""
        self.memory = 0
        """Bytes of these."""
        self._held: dict[LeaseKey, dict[str, str]] = {}  # key -> kind -> id, promised or in its lease
        self._free: defaultdict[tuple[str, State], _Ids] = defaultdict(OrderedDict)  # STARTING or WARM without a key
        self._all_free: dict[State, _Ids] = {State.STARTING: OrderedDict(), State.WARM: OrderedDict()}
        self._waiting: defaultdict[str, OrderedDict[LeaseKey, str]] = defaultdict(OrderedDict)  # STARTING, not tied
        self._counts: Counter[tuple[str, State]] = Counter()
        self._users: Counter[str] = Counter()
        self._volumes: Counter[str] = Counter()  # how many have it
        self._taken: Counter[str] = Counter()

    # --- questions

    def of(self, key: LeaseKey) -> dict[str, SandboxRecord]:
        """Return what a key holds or is promised, by kind."""
        return {kind: self.records[sandbox_id] for kind, sandbox_id in self._held.get(key, {}).items()}

    def holders(self) -> Iterator[LeaseKey]:
        """Iterate over all keys that hold something or are promised something, oldest first."""
        return iter(self._held)

    def members(self, kind: str) -> int:
        """Return how many of a kind are OCCUPYING."""
        return sum(self._counts[kind, state] for state in OCCUPYING)

    def of_user(self, user_id: str) -> int:
        """Return how many sandboxes that the sessions of a user hold or are promised are OCCUPYING."""
        return self._users[user_id]

    def first_free(self, kind: str) -> SandboxRecord | None:
        """Return the WARM one of a kind that is free for the longest time, else the first STARTING one."""
        for state in (State.WARM, State.STARTING):
            if free := self._free.get((kind, state)):
                return self.records[next(iter(free))]
        return None

    def free(self, kind: str | None = None) -> Iterator[SandboxRecord]:
        """Iterate over the free ones of a kind (None: of all), STARTING ones first, the oldest first."""
        if kind is None:
            ids = chain(self._all_free[State.STARTING], self._all_free[State.WARM])
        else:
            ids = chain(self._free.get((kind, State.STARTING), ()), self._free.get((kind, State.WARM), ()))
        return (self.records[sandbox_id] for sandbox_id in ids)

    def first_waiting(self, kind: str) -> tuple[LeaseKey, SandboxRecord] | None:
        """Return the key that waits longest for any sandbox of a kind, and the one that it is promised."""
        if waiting := self._waiting.get(kind):
            key, sandbox_id = next(iter(waiting.items()))
            return key, self.records[sandbox_id]
        return None

    def census(self) -> dict[str, Census]:
        """Count, by kind."""
        return {kind: self._census(kind) for kind in {kind for (kind, _), count in self._counts.items() if count}}

    def _census(self, kind: str) -> Census:
        ready, unclaimed_starts = len(self._free[kind, State.WARM]), len(self._free[kind, State.STARTING])
        return Census(
            starting=self._counts[kind, State.STARTING] + self._counts[kind, State.WARM] - ready,
            ready=ready,
            leased=self._counts[kind, State.LEASED],
            suspending=self._counts[kind, State.SUSPENDING],
            suspended=self._counts[kind, State.SUSPENDED],
            stopping=self._counts[kind, State.STOPPING],
            unclaimed=ready + unclaimed_starts,
            taken=self._taken[kind],
        )

    # --- changes

    def put(self, record: SandboxRecord) -> SandboxRecord:
        """Record a sandbox as it is now."""
        old = self.records.get(record.sandbox_id)
        if old is not None and old.state is not record.state and record.state not in MAY_BECOME[old.state]:
            raise AssertionError(f"{old.sandbox_id} cannot become {record.state.value} from {old.state.value}")
        self.records[record.sandbox_id] = record
        self._volumes[record.volume] += 1
        if old is not None:
            self._lacks(old.volume)
        # One that only changes in other ways keeps its place in the queues.
        if old is None or (old.state, old.key, old.tied) != (record.state, record.key, record.tied):
            if old is not None:
                self._count(old, -1)
                self._unindex(old, record)
            self._count(record, 1)
            self._index(record)
            if old is not None and old.key is not None and old.key != record.key:
                self._time(old.key)
        self.running.set(
            record.sandbox_id,
            (record.last_active_at or 0.0) if record.state is State.LEASED and not record.paused else None,
        )
        if record.key is not None:
            self._time(record.key)
        return record

    def promise(self, record: SandboxRecord) -> SandboxRecord:
        """Record a sandbox that its key has, or gets; what it did not have, and the pool could have had, is counted."""
        assert record.key is not None
        if not record.options.needs_own and record.sandbox_type not in self._held.get(record.key, {}):
            self._taken[record.sandbox_type] += 1
        return self.put(record)

    def serve(self, record: SandboxRecord) -> SandboxRecord:
        """Put a WARM sandbox where it is wanted most: with the key that waits longest for its kind, if there is one."""
        waits = None if record.tied else self.first_waiting(record.sandbox_type)
        if waits is not None and waits[0] != record.key:
            first, other = waits
            self.put(replace(other, key=record.key, options=record.options))
            record = replace(record, key=first, options=other.options)
        return self.put(record)

    def drop(self, sandbox_id: str) -> bool:
        """Forget a STOPPING sandbox; return whether nobody has its volume any more."""
        record = self.records.pop(sandbox_id)
        self._count(record, -1)
        return self._lacks(record.volume)

    def _lacks(self, volume: str) -> bool:
        """Count one less that has a volume; return whether it was the last."""
        self._volumes[volume] -= 1
        if last := not self._volumes[volume]:
            del self._volumes[volume]
        return last and bool(volume)

    def _count(self, record: SandboxRecord, by: int) -> None:
        self._counts[record.sandbox_type, record.state] += by
        if record.state not in OCCUPYING:
            return
        self.size += by
        self.memory += by * record.memory
        if record.key is not None:
            self._users[record.key.user_id] += by
            if not self._users[record.key.user_id]:
                del self._users[record.key.user_id]

    def _index(self, record: SandboxRecord) -> None:
        kind, state, key, sandbox_id = record.sandbox_type, record.state, record.key, record.sandbox_id
        if state is State.STOPPING:
            return
        if key is not None:
            self._held.setdefault(key, {})[kind] = sandbox_id
            if state is State.STARTING and not record.tied:
                self._waiting[kind][key] = sandbox_id
        else:
            self._free[kind, state][sandbox_id] = None
            self._all_free[state][sandbox_id] = None

    def _unindex(self, record: SandboxRecord, successor: SandboxRecord) -> None:
        kind, state, key, sandbox_id = record.sandbox_type, record.state, record.key, record.sandbox_id
        if state is State.STOPPING:
            return
        if key is None:
            self._free[kind, state].pop(sandbox_id, None)
            self._all_free[state].pop(sandbox_id, None)
            return
        # After a swap the entry may name the other sandbox already: that one stays, and keeps its place in the queue.
        if successor.key != key or successor.state is State.STOPPING:
            held = self._held.get(key, {})
            if held.get(kind) == sandbox_id:
                del held[kind]
            if not held:
                self._held.pop(key, None)
        if self._waiting[kind].get(key) == sandbox_id:
            del self._waiting[kind][key]

    def _time(self, key: LeaseKey) -> None:
        held = self.of(key).values()
        lease = [record for record in held if record.in_lease]
        used = [
            record.last_active_at or 0.0 for record in lease if record.state not in (State.SUSPENDING, State.SUSPENDED)
        ]
        suspended = [record.suspended_at or 0.0 for record in lease if record.state is State.SUSPENDED]
        ends = [record.expires_at for record in lease if record.expires_at is not None]
        self.active.set(key, max(used, default=None))
        self.expiring.set(key, min(ends, default=None))
        self.dormant.set(key, max(suspended) if suspended and len(suspended) == len(held) else None)
