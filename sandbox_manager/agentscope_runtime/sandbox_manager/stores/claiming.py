"""What a claim would do, decided before anything is changed, so that one that is refused changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from agentscope_runtime.sandbox_manager.states import Limits, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores import refusals
from agentscope_runtime.sandbox_manager.stores.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Plan:
    """A claim that goes well."""

    records: tuple[SandboxRecord, ...]
    """All that the key has from then on, with its options; not leased yet."""
    ready: bool
    """Whether all that was asked for is among them, and answers."""
    begun: tuple[str, ...]
    """Kinds that have to start."""
    displaced: tuple[SandboxRecord, ...]
    """As they are now."""
    expires_at: float | None


def fits(ledger: Ledger, draft: SandboxRecord, limits: Limits) -> bool:
    """Return whether there is room for one more pool member."""
    return not (
        0 < limits.total <= ledger.size
        or 0 < limits.types.get(draft.sandbox_type, 0) <= ledger.members(draft.sandbox_type)
        or 0 < limits.memory < ledger.memory + draft.memory
    )


def plan(ledger: Ledger, wish: Wish, drafts: Mapping[str, SandboxRecord], *, limits: Limits, now: float) -> Plan | None:
    """Decide what `Store.claim` does; None if that is nothing, for want of drafts.

    Raises:
        InvalidRequest, QuotaExceeded, PoolExhausted: As `Store.claim` does.
    """
    held = ledger.of(wish.key)
    options = wish.agreed(held.values())
    missing = [kind for kind in wish.types if kind not in held]
    taken = {} if options.needs_own else {kind: found for kind in missing if (found := ledger.first_free(kind))}
    absent = [kind for kind in wish.types if kind in missing and kind not in taken]
    slept = [kind for kind in wish.types if kind in held and held[kind].state is State.SUSPENDED]
    ready = not absent and all((held.get(kind) or taken[kind]).answers for kind in wish.types)
    if (not ready and not drafts) or (not wish.grows and (missing or slept)):
        return None
    volume = next((record.volume for record in held.values() if record.volume), None)
    begun = {kind: replace(drafts[kind], volume=volume or drafts[kind].volume) for kind in absent}
    begun |= {kind: _awoken(held[kind], drafts[kind], now) for kind in slept}
    added = len(taken) + len(begun)
    if added and 0 < limits.per_user < ledger.of_user(wish.key.user_id) + added:
        raise refusals.over_quota(wish.key, limits)
    displaced = _displaced(ledger, begun.values(), limits, keep={record.sandbox_id for record in taken.values()})
    mine = held | {
        kind: replace(record, key=wish.key, warm=record.state is State.WARM) for kind, record in (taken | begun).items()
    }
    return Plan(
        records=tuple(replace(record, options=options) for record in mine.values()),
        ready=ready,
        begun=tuple(kind for kind in wish.types if kind in begun),
        displaced=displaced,
        expires_at=_end_of(held.values(), wish, now),
    )


def _awoken(record: SandboxRecord, draft: SandboxRecord, now: float) -> SandboxRecord:
    """Return a suspended sandbox as one that starts again."""
    return replace(
        record,
        state=State.STARTING,
        restored=True,
        image=draft.image,
        memory=draft.memory,
        manager=draft.manager,
        suspended_at=None,
        last_active_at=now,
    )


def _end_of(held: Collection[SandboxRecord], wish: Wish, now: float) -> float | None:
    lease = [record for record in held if record.in_lease]
    if lease:
        return min((record.expires_at for record in lease if record.expires_at is not None), default=None)
    return now + wish.life if wish.life else None


class _Room:
    """Counts what would have to go, one limit after another."""

    def __init__(self, ledger: Ledger, keep: Collection[str]) -> None:
        self._ledger = ledger
        self._keep = keep
        self.chosen: dict[str, SandboxRecord] = {}

    def choose(self, lacking: int, kind: str | None = None) -> bool:
        """Choose so many free ones of a kind (None: of any) more; False if there are not so many."""
        found = list(islice(self._candidates(kind), max(0, lacking)))
        self.chosen.update({record.sandbox_id: record for record in found})
        return len(found) >= lacking

    def choose_memory(self, lacking: int) -> bool:
        """Choose free ones until so many bytes more are free; False if there are not enough."""
        for record in self._candidates(None):
            if lacking <= 0:
                break
            if record.memory:
                self.chosen[record.sandbox_id] = record
                lacking -= record.memory
        return lacking <= 0

    def _candidates(self, kind: str | None) -> Iterator[SandboxRecord]:
        return (
            record
            for record in self._ledger.free(kind)
            if record.sandbox_id not in self._keep and record.sandbox_id not in self.chosen
        )


def _displaced(
    ledger: Ledger, begun: Collection[SandboxRecord], limits: Limits, *, keep: Collection[str]
) -> tuple[SandboxRecord, ...]:
    """Choose the free sandboxes that have to make room for what is to start."""
    if not begun:
        return ()
    room = _Room(ledger, keep)
    for kind, count in Counter(record.sandbox_type for record in begun).items():
        limit = limits.types.get(kind, 0)
        if limit and not room.choose(ledger.members(kind) + count - limit, kind):
            raise refusals.full_of(kind, limits)
    if limits.total and not room.choose(ledger.size + len(begun) - limits.total - len(room.chosen)):
        raise refusals.full(limits)
    if limits.memory:
        freed = sum(record.memory for record in room.chosen.values())
        wanted = sum(record.memory for record in begun)
        if not room.choose_memory(ledger.memory + wanted - limits.memory - freed):
            raise refusals.out_of_memory(limits)
    return tuple(room.chosen.values())
