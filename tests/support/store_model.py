"""What a store has to do, said naively: by looking through all records as they were before each step.

No index, no queue but lists of keys; slow, and plain enough to be believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from agentscope_runtime.sandbox_manager.states import (
    MAY_BECOME,
    OCCUPYING,
    Census,
    Lease,
    LeaseKey,
    Limits,
    SandboxRecord,
    State,
    Wish,
)

ASLEEP = (State.SUSPENDING, State.SUSPENDED)
Records = Mapping[str, SandboxRecord]


def free(records: Records, kind: str | None = None) -> list[SandboxRecord]:
    """Return pool members that nobody claimed."""
    unclaimed = [one for one in records.values() if one.state in (State.STARTING, State.WARM) and one.key is None]
    return [one for one in unclaimed if kind in (None, one.sandbox_type)]


def held(records: Records, key: LeaseKey) -> dict[str, SandboxRecord]:
    """Return what a key holds or is promised, by kind."""
    mine = [one for one in records.values() if one.key == key and one.state is not State.STOPPING]
    assert len({one.sandbox_type for one in mine}) == len(mine), f"{key} has two of a kind"
    return {one.sandbox_type: one for one in mine}


def leases(records: Records) -> dict[LeaseKey, dict[str, SandboxRecord]]:
    """Return all leases, by kind."""
    keys = {one.key for one in records.values() if one.key is not None and one.in_lease}
    return {key: {kind: one for kind, one in held(records, key).items() if one.in_lease} for key in keys}


def by_kind(told: Iterable[Lease]) -> dict[LeaseKey, dict[str, SandboxRecord]]:
    """Return leases as `leases` does."""
    return {lease.key: {one.sandbox_type: one for one in lease.sandboxes} for lease in told}


def idle(records: Records, idle_since: float) -> set[LeaseKey]:
    """Return the leases in use that were not active after `idle_since`."""
    found = set()
    for key, lease in leases(records).items():
        used = [one.last_active_at or 0.0 for one in lease.values() if one.state not in ASLEEP]
        if used and max(used) <= idle_since:
            found.add(key)
    return found


def expired(records: Records, now: float, suspended_before: float) -> set[LeaseKey]:
    """Return the leases whose life is over, or that slept for too long."""
    found = set()
    for key, lease in leases(records).items():
        if any(one.expires_at is not None and one.expires_at <= now for one in lease.values()):
            found.add(key)
        everything = held(records, key).values()
        if all(one.state is State.SUSPENDED and (one.suspended_at or 0.0) <= suspended_before for one in everything):
            found.add(key)
    return found


def census(records: Records) -> dict[str, Census]:
    """Count, by kind."""
    counts: dict[str, Counter[str]] = {}
    for one in records.values():
        count = counts.setdefault(one.sandbox_type, Counter())
        ready = one.state is State.WARM and one.key is None
        count["ready" if ready else "starting" if one.state is State.WARM else one.state.value] += 1
        count["unclaimed"] += one.state in (State.STARTING, State.WARM) and one.key is None
    return {kind: Census(**count) for kind, count in counts.items()}


def within(records: Records, limits: Limits, kinds: Collection[str]) -> bool:
    """Return whether no limit is exceeded that concerns the start of sandboxes of these kinds."""
    there = [one for one in records.values() if one.state in OCCUPYING]
    counts = Counter(one.sandbox_type for one in there)
    return (
        (not limits.total or len(there) <= limits.total)
        and all(counts[kind] <= limit for kind, limit in limits.types.items() if limit and kind in kinds)
        and (not limits.memory or sum(one.memory for one in there) <= limits.memory)
    )


@dataclass(frozen=True)
class Expected:
    """What a claim has to come to."""

    ready: bool
    grows: bool
    """Whether the key gets what it did not have."""
    begun: tuple[str, ...]
    over_quota: bool
    full: bool


def expect(records: Records, wish: Wish, limits: Limits, memory: int) -> Expected:
    """Foretell a claim whose drafts have so much memory each."""
    mine = held(records, wish.key)
    own = wish.agreed(mine.values()).needs_own
    taken: list[SandboxRecord] = []
    begun, ready = [], True
    for kind in wish.types:
        of_kind = [] if own else sorted(free(records, kind), key=lambda one: one.state is not State.WARM)
        if kind in mine:
            ready &= mine[kind].answers
            begun += [kind] if mine[kind].state is State.SUSPENDED else []
        elif of_kind:
            taken.append(of_kind[0])
            ready &= of_kind[0].state is State.WARM
        else:
            begun.append(kind)
            ready = False
    there = [one for one in records.values() if one.state in OCCUPYING]
    of_user = [one for one in there if one.key is not None and one.key.user_id == wish.key.user_id]
    needed = [one for one in there if one not in free(records) or _among(one, records, taken)]
    kinds = Counter([one.sandbox_type for one in needed] + begun)
    return Expected(
        ready=ready,
        grows=bool(taken or begun),
        begun=tuple(begun),
        over_quota=bool(taken or begun) and 0 < limits.per_user < len(of_user) + len(taken) + len(begun),
        full=bool(begun)
        and (
            0 < limits.total < len(needed) + len(begun)
            or any(0 < limits.types.get(kind, 0) < kinds[kind] for kind in begun)
            or 0 < limits.memory < sum(one.memory for one in needed) + memory * len(begun)
        ),
    )


def _among(one: SandboxRecord, records: Records, taken: list[SandboxRecord]) -> bool:
    """Return whether a free one is taken: which of those of its kind and state is the store's business."""
    alike = [other for other in taken if (other.sandbox_type, other.state) == (one.sandbox_type, one.state)]
    same = [other for other in free(records, one.sandbox_type) if other.state is one.state]
    return one in same[: len(alike)]


def check_moves(before: Records, after: Records, forgotten: Collection[str], set_back: Collection[str]) -> None:
    """Assert what holds between two looks: nothing vanishes, nobody loses to another, moves are those that exist."""
    assert set(before) - set(after) == set(forgotten), "only what is forgotten vanishes"
    for sandbox_id in set(before) & set(after):
        was, now = before[sandbox_id], after[sandbox_id]
        steps = MAY_BECOME[was.state] | {was.state}
        if sandbox_id in set_back:
            steps |= {State.LEASED}  # by way of WARM: it was, before the store forgot
        if was.restored and was.state is State.WARM:
            steps |= {State.SUSPENDING}  # by way of LEASED, in one step
        assert now.state in steps, f"{was.state} became {now.state}"
        assert (was.sandbox_type, was.token, was.created_at) == (now.sandbox_type, now.token, now.created_at)
        assert now.generation >= was.generation
        if was.in_lease:
            assert now.key == was.key, "what is in a lease is nobody else's, ever"
