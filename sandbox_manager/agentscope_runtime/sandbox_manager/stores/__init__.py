"""Where the manager keeps its records: the protocol, in verbs of the domain.

Each verb is one atomic step (one locked section in memory; on a shared store one script), so no caller ever reads,
decides and writes. A store does no I/O but its own, makes no ids and reads no clock: what is random or slow is passed
in. `tests/contracts/test_stores*.py` is the suite that every store passes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager.states import (
    Address,
    Census,
    Ending,
    Lease,
    LeaseKey,
    Limits,
    SandboxRecord,
    Wish,
)
from agentscope_runtime.sandbox_manager.stores.news import News

LEFT = Ending("was started for a session that did not wait for it")
DISPLACED = Ending("made room in the pool for another kind")


class StaleLeader(Exception):
    """Another manager leads by now; whoever hears this leads no more, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of a claim: a lease, or what there is to wait for."""

    lease: Lease | None = None
    """Complete, or None: never a part of what was asked for."""
    granted: tuple[SandboxRecord, ...] = ()
    """Those of the lease that this very claim leased."""
    begun: tuple[SandboxRecord, ...] = ()
    """Drafts that were recorded, and suspended sandboxes that are to start again: the caller starts them."""
    awaited: tuple[SandboxRecord, ...] = ()
    """The key's, and not ready yet; includes `begun`."""
    displaced: tuple[SandboxRecord, ...] = ()
    """Free pool members that had to make room; STOPPING now: the caller destroys them."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What became of promises that were undone, and of a lease that ended."""

    served: tuple[LeaseKey, ...] = ()
    """Who got a ready sandbox by that: the caller wakes them."""
    ended: tuple[SandboxRecord, ...] = ()
    """Sandboxes that are of no use to anybody else; STOPPING now: the caller destroys them."""


class Store(Protocol):
    """Records of sandboxes and leases, in the name of one manager.

    Rules that hold between any two verbs: a sandbox belongs to at most one key, a key has at most one sandbox of a
    kind, a sandbox never moves but by `states.MAY_BECOME`, and no verb lifts what is OCCUPYING above the limits that it
    was given. Whatever a verb makes STARTING, SUSPENDING or STOPPING has this manager's name from then on (drafts bring
    it), and this manager finishes it. What other managers have to hear of it they hear by `news`.
    """

    @property
    def manager(self) -> str:
        """In whose name this object speaks."""

    # --- pool members

    async def record_start(self, draft: SandboxRecord, *, limits: Limits, fence: int = 0) -> bool:
        """Record that a pool member is going to be started; False, and nothing recorded, if there is no room.

        Raises:
            StaleLeader: The store has met a higher `fence`.
        """

    async def record_container(
        self, sandbox_id: str, *, container_id: str, image_id: str, address: Address
    ) -> SandboxRecord | None:
        """Record what a start has made; None if the sandbox is not STARTING by now."""

    async def mark_ready(self, sandbox_id: str) -> SandboxRecord | None:
        """Record that a sandbox answers; None if it is not STARTING by now.

        If keys wait for a sandbox of this kind, the one that waits longest gets it, whomever it was meant for: they
        swap, but for those that are `tied` to their key. The record that is returned names that key.
        """

    async def trim(self, sandbox_type: str, *, keep: int, ending: Ending, fence: int = 0) -> tuple[SandboxRecord, ...]:
        """Take sandboxes that nobody claimed out of use until `keep` are left: starting ones first, then the newest.

        Raises:
            StaleLeader: The store has met a higher `fence`.
        """

    # --- leases

    async def claim(self, wish: Wish, drafts: Mapping[str, SandboxRecord], *, limits: Limits, now: float) -> Claim:
        """Give a key one sandbox of each kind, all or none.

        What it holds already is used again (and counts as active now); what of it is SUSPENDED becomes STARTING, with
        what the draft of its kind says of image, memory and manager; SUSPENDING ones are waited for. For the rest a
        free warm sandbox is taken, else one that is starting for nobody, else the draft of that kind is recorded. When
        all are ready they are leased and the lease is the answer; otherwise they stay promised to the key, and the
        claim is repeated when they are ready. Without drafts, a claim that cannot be answered with a lease changes
        nothing; neither does one that must not grow (`Wish.grows`) and would. Records of the lease that were `paused`
        say so this once, as in `touch`.

        Everything that the key holds has the options that were agreed upon. Where these need sandboxes of the lease's
        own (`LeaseOptions.needs_own`) only drafts will do, and all have the volume of the first of them, if any.

        A sandbox that takes the place of one of its kind that died on this key gets the MCP servers that that one had.
        A lease's `expires_at` is set by its first grant, from `wish.life`; what joins it has the same.

        What does not fit takes the place of free pool members, starting ones first, the oldest first: of the same kind
        for a limit by kind, of any kind for the others. They are `displaced`.

        Raises:
            InvalidRequest: The wish contradicts the options of what the key holds.
            QuotaExceeded: The user would have more than `limits.per_user`.
            PoolExhausted: What is to start does not fit under the other limits, not even in place of free pool members;
                the error's members say which (`stores.refusals`).
        """

    async def give_back(self, key: LeaseKey, types: Sequence[str]) -> GivenBack:
        """Undo the promises of these kinds to `key`; what is in its lease stays, be it about to start again.

        A ready sandbox goes to the key that waits longest for one of its kind. One whose options need a sandbox of its
        own (`LeaseOptions.needs_own`) is ended.
        """

    async def touch(self, sandbox_id: str, *, now: float) -> SandboxRecord:
        """Record activity in a leased sandbox.

        One that is in a lease and has no container, or not quite yet (SUSPENDING, SUSPENDED, or restored and STARTING
        or WARM), is returned as it is: to use it, claim it for its key. One that was `paused` is so no more; the record
        that is returned says that it was: whoever reads that thaws it.

        Raises:
            SandboxNotFound: It is unknown, released, or nobody has leased it.
            SandboxDied: It ended while it was leased.
        """

    async def change_mcp_servers(
        self, sandbox_id: str, added: Mapping[str, Any], *, overwrite: bool = False, removed: str | None = None
    ) -> None:
        """Record that a leased sandbox has these MCP servers, too, or has one no more; fine if it is not leased.

        A name that is taken stays what it was, unless it is to be overwritten. If the sandbox dies, the one that takes
        its place has what it had (`claim`), until the key's lease ends in good order, or is idle for too long.
        """

    async def renew(self, key: LeaseKey, *, expires_at: float | None) -> Lease | None:
        """Let the lease end at another time (None: never by itself); None if `key` has none."""

    async def end_lease(self, key: LeaseKey, ending: Ending) -> GivenBack:
        """Take everything that is in the lease of `key` out of use, and undo its promises."""

    # --- time

    async def end_idle(self, *, idle_since: float, ending: Ending) -> tuple[Lease, ...]:
        """End each lease in use that was not after `idle_since`; return the leases as they were.

        In use is a lease with sandboxes that are LEASED, or restored and STARTING or WARM; it was active when one of
        these was last claimed or touched. All of the lease ends; sandboxes that are only promised to its key stay so.
        """

    async def suspend_idle(self, *, idle_since: float) -> tuple[Lease, ...]:
        """Make the LEASED sandboxes of each lease that `end_idle` would end SUSPENDING; return these as they were.

        A restored one that got ready and for which nobody came back is among them: it says WARM, and was never made
        what its lease asked for.
        """

    async def mark_suspended(self, sandbox_id: str, *, now: float) -> SandboxRecord | None:
        """Record that the container of a SUSPENDING sandbox is gone, or that of a restored one that failed to start.

        It is SUSPENDED now; None if it is neither. Who waits for its key has to claim again.
        """

    async def pause_idle(self, *, idle_since: float) -> tuple[SandboxRecord, ...]:
        """Mark each LEASED sandbox that was not active after `idle_since` as paused; return those that were not yet.

        The caller freezes them after that, and looks again when it has (`get`): one that was touched in between is not
        paused any more, and has to be thawed.
        """

    async def end_expired(self, *, now: float, suspended_before: float, ending: Ending) -> tuple[Lease, ...]:
        """End each lease that expired by `now`, or is SUSPENDED as a whole since `suspended_before` or earlier.

        The leases are returned as they were. Sandboxes that are only promised to their keys stay so.
        """

    # --- endings

    async def mark_stopping(self, sandbox_id: str, ending: Ending, *, if_free: bool = False) -> SandboxRecord | None:
        """Take a sandbox out of use; return the record as it was before, None if it was out already.

        With `if_free` it is done only to one that nobody has, and that is promised to nobody.

        It leaves its lease, too; a lease without sandboxes is over.
        """

    async def forget(self, sandbox_id: str) -> bool:
        """Drop the record of a STOPPING sandbox whose container is gone; its ending stays known for a while.

        True if it was the last that had its `volume`: nobody needs that any more.
        """

    # --- many managers

    async def adopt(self, record: SandboxRecord) -> bool:
        """Record a WARM (and free), LEASED or SUSPENDED sandbox that was found; whatever the limits are.

        False, and nothing recorded, if its id is known or was, or if its key has another of its kind. One that is taken
        for free and was found LEASED is leased again: the store was set back to before its lease.
        """

    async def take_over(self, dead: str) -> tuple[SandboxRecord, ...]:
        """Give this manager what a dead one has begun: all STARTING, SUSPENDING, STOPPING; return these."""

    async def fail(self, key: LeaseKey, sandbox_type: str, error: SandboxError) -> None:
        """Tell other managers' callers of `key` that wait for this kind that its start failed."""

    def news(self) -> AsyncIterator[News]:
        """Yield what other managers do that callers here must hear, for as long as it is read."""

    # --- questions

    async def get(self, sandbox_id: str) -> SandboxRecord:
        """Return a record in any state but STOPPING.

        Raises:
            SandboxNotFound: It is unknown, or ended in good order.
            SandboxDied: It ended while it was needed.
        """

    async def held(self, key: LeaseKey) -> tuple[SandboxRecord, ...]:
        """Return what a key has in its lease and what it is promised, in any order."""

    async def waits(self) -> dict[LeaseKey, str]:
        """Return which manager's caller was promised something last, for each key with promises in a shared store."""

    async def sandboxes(self) -> list[SandboxRecord]:
        """Return all records, STOPPING ones too, oldest first."""

    async def leases(self) -> list[Lease]:
        """Return all leases, oldest first, with all that is in them (`SandboxRecord.in_lease`) in any order."""

    async def census(self) -> dict[str, Census]:
        """Count, by kind."""
