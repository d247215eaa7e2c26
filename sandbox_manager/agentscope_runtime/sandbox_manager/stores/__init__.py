"""Where the manager keeps its records: the protocol, in verbs of the domain.

Each verb is one atomic step (one locked section in memory; on a shared store one script), so no caller ever reads,
decides and writes. A store does no I/O but its own, makes no ids and reads no clock: what is random or slow is passed
in. `tests/contracts/test_stores.py` is the suite that every store passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentscope_runtime.sandbox_manager.states import Address, Census, Ending, Lease, LeaseKey, SandboxRecord, Wish

LEFT = Ending("was started for a session that did not wait for it")


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of a claim: a lease, or what there is to wait for."""

    lease: Lease | None = None
    """Complete, or None: never a part of what was asked for."""
    granted: tuple[SandboxRecord, ...] = ()
    """Those of the lease that this very claim leased."""
    begun: tuple[SandboxRecord, ...] = ()
    """Drafts that were recorded: the caller starts them."""
    awaited: tuple[SandboxRecord, ...] = ()
    """Promised to the key, not ready yet; includes `begun`."""
    displaced: tuple[SandboxRecord, ...] = ()
    """Free pool members that had to make room; STOPPING now: the caller destroys them."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What became of promises that were undone."""

    served: tuple[LeaseKey, ...] = ()
    """Who got a ready sandbox by that."""
    ended: tuple[SandboxRecord, ...] = ()
    """Sandboxes that are of no use to anybody else; STOPPING now: the caller destroys them."""


class Store(Protocol):
    """Records of sandboxes and leases.

    Rules that hold between any two verbs: a sandbox belongs to at most one key, a key has at most one sandbox of a
    kind, a sandbox never moves but by `states.MAY_BECOME`, and no verb lifts the number of those STARTING, WARM or
    LEASED above the limit that it was given (0 is no limit).
    """

    async def record_start(self, draft: SandboxRecord, *, limit: int) -> bool:
        """Record that a pool member is going to be started; False, and nothing recorded, if there is no room."""

    async def claim(self, wish: Wish, drafts: Mapping[str, SandboxRecord], *, limit: int, now: float) -> Claim:
        """Give a key one sandbox of each kind, all or none.

        What it holds already is used again (and counts as active now). For the rest a free warm sandbox is taken, else
        one that is starting for nobody, else the draft of that kind is recorded. When all are ready they are leased
        and the lease is the answer; otherwise they stay promised to the key, and the claim is repeated when they are
        ready. Without drafts, a claim that cannot be answered with a lease changes nothing.

        Everything that the key holds has the options that were agreed upon. Where these need sandboxes of the lease's
        own (`LeaseOptions.needs_own`) only drafts will do, and all have the volume of the first of them, if any.

        A sandbox that takes the place of one of its kind that died on this key gets the MCP servers that that one had.

        Raises:
            InvalidRequest: The wish contradicts the options of what the key holds.
            PoolExhausted: The drafts do not fit under the limit, not even in place of free pool members.
        """

    async def give_back(self, key: LeaseKey, types: Sequence[str]) -> GivenBack:
        """Undo the promises of these kinds to `key`; what it has leased stays.

        A ready sandbox goes to the key that waits longest for one of its kind. One whose options need a sandbox of its
        own (`LeaseOptions.needs_own`) is ended.
        """

    async def record_container(
        self, sandbox_id: str, *, container_id: str, image_id: str, address: Address
    ) -> SandboxRecord | None:
        """Record what a start has made; None if the sandbox is STOPPING or unknown by now."""

    async def mark_ready(self, sandbox_id: str) -> SandboxRecord | None:
        """Record that a sandbox answers; None if it is STOPPING or unknown by now.

        If keys wait for a sandbox of this kind, the one that waits longest gets it, whomever it was meant for: they
        swap, but for those that need one of their own. The record that is returned names that key.
        """

    async def touch(self, sandbox_id: str, *, now: float) -> SandboxRecord:
        """Record activity in a leased sandbox.

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

    async def mark_stopping(self, sandbox_id: str, ending: Ending) -> SandboxRecord | None:
        """Take a sandbox out of use; return the record as it was before, None if it was out already.

        It leaves its lease, too; a lease without sandboxes is over.
        """

    async def end_lease(self, key: LeaseKey, ending: Ending) -> tuple[SandboxRecord, ...]:
        """Take everything that `key` has leased out of use and undo its promises; return what has to be destroyed."""

    async def end_idle(self, *, idle_since: float, ending: Ending) -> tuple[Lease, ...]:
        """End each lease none of whose sandboxes was active after `idle_since`; return the leases as they were."""

    async def trim(self, sandbox_type: str, *, keep: int, ending: Ending) -> tuple[SandboxRecord, ...]:
        """Take sandboxes that nobody claimed out of use until `keep` are left: starting ones first, then the newest."""

    async def forget(self, sandbox_id: str) -> None:
        """Drop the record of a STOPPING sandbox whose container is gone; its ending stays known for a while."""

    async def get(self, sandbox_id: str) -> SandboxRecord:
        """Return a record in any state but STOPPING.

        Raises:
            SandboxNotFound: It is unknown, or ended in good order.
            SandboxDied: It ended while it was needed.
        """

    async def sandboxes(self) -> list[SandboxRecord]:
        """Return all records, STOPPING ones too, oldest first."""

    async def leases(self) -> list[Lease]:
        """Return all leases, oldest first."""

    async def census(self) -> dict[str, Census]:
        """Count, by kind."""
