"""What every part of the pool works with, in one place: the store, the backend, the boxes' doorbells, the rules."""

from __future__ import annotations

import secrets
import time
from base64 import b32encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox_manager.backends import Backend, Remembered
from agentscope_runtime.sandbox_manager.events import Events
from agentscope_runtime.sandbox_manager.identity import Identity
from agentscope_runtime.sandbox_manager.kinds import Kinds
from agentscope_runtime.sandbox_manager.known import Known
from agentscope_runtime.sandbox_manager.membership import Alone, Membership
from agentscope_runtime.sandbox_manager.states import Limits, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores import Store

Clock = Callable[[], float]
"""Returns UTC, as seconds since the epoch."""

Hook = Callable[[SandboxRecord, wire.LeaseOptions], Awaitable[None]]
"""Does something to a leased sandbox, given the options of its lease; may raise SandboxError."""

IdleAction = Literal["suspend", "release"]


class Doorbell(Protocol):
    """What the pool says to a box, and asks it, in its own name."""

    async def ready(self, record: SandboxRecord, wait: float) -> None:
        """Return when the box is ready, within `wait` seconds.

        Raises:
            StartFailed: It is not, and says what is missing; or never will be.
            Unreachable: Nobody answers there (yet).
        """

    async def heartbeat(self, record: SandboxRecord) -> str:
        """Tell the box that its manager lives; return which note of its lease it has, "" if none.

        Raises:
            Unreachable: Nobody answers there (any more).
        """

    async def write_note(self, record: SandboxRecord, note: bytes) -> None:
        """Have the box remember this, instead of what it remembered.

        Raises:
            StaleGeneration: The box has met a later lease.
            Unreachable: Nobody answers there (any more).
        """

    async def read_note(self, record: SandboxRecord) -> Remembered:
        """Ask the box what it remembers.

        Raises:
            Unreachable: Nobody answers there (any more).
        """


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of the pool; each is a setting, which says more."""

    targets: Mapping[str, int] = field(default_factory=dict)
    """Free sandboxes to keep, by kind; with a hit ratio, the least."""
    hit_ratio: float | None = None
    """Share of sessions that shall find one ready; None keeps the targets."""
    most: Mapping[str, int] = field(default_factory=dict)
    """Most free sandboxes to keep for that, by kind."""
    member_max_age: float = 0.0
    """Seconds after which a free sandbox is replaced; 0 is never."""
    limits: Limits = field(default_factory=Limits)
    queue_length: int = 100
    """Calls that may wait for room at the same time."""
    parallel: int = 2
    """Starts at the same time."""
    start_timeout: float = 60.0
    idle_timeout: float = 300.0
    idle_action: IdleAction = "release"
    suspended_kept: float = 86400.0
    """Seconds after which a lease ends that is suspended as a whole."""
    lease_max: float = 0.0
    """Seconds after which a lease ends in any case; 0 is never."""
    pause_after: float = 0.0
    """Seconds without use after which a leased sandbox is frozen; 0 is never."""
    watchdog: float = 60.0
    """Seconds of silence after which a box ends itself; it gets four heartbeats in that time."""
    scan_interval: float = 1.0


@dataclass(frozen=True, slots=True)
class Means:
    """What a part of the pool is given."""

    store: Store
    backend: Backend
    doorbell: Doorbell
    kinds: Kinds
    events: Events = field(default_factory=Events)
    policy: Policy = field(default_factory=Policy)
    clock: Clock = time.time
    identity: Identity = field(default_factory=Identity.passing)
    membership: Membership = field(default_factory=Alone)
    shared: bool = False
    """Whether other managers work with the same store; then boxes outlive their managers."""
    known: Known = field(default_factory=Known)
    fillers: list[Hook] = field(default_factory=list)
    """Each fills the workspace of a sandbox with what its lease begins with: before the session hears of it, and at
    each connect of such a lease, so that it must find out by itself whether that was done."""
    outfitters: list[Hook] = field(default_factory=list)
    """Each makes a sandbox of any kind what the options of its lease ask for, before the session hears of it, and again
    when the session asks for options anew. One that raises fails the connect."""
    farewells: list[Hook] = field(default_factory=list)
    """Each takes out of a sandbox what shall outlive it, after the session's end and before its removal. The box still
    answers then (`Pool.reach`), though the sandbox is STOPPING; there are a few seconds for all of them."""

    def check(self, types: Sequence[str], options: wire.LeaseOptions) -> None:
        """Raise if these kinds cannot be a lease, whatever else happens.

        Raises:
            UnknownSandboxType: Nobody registered one of them.
            InvalidRequest: There is none, or one twice; or a resolution, and none of them has a desktop; or they are
                more than the limits would ever allow.
        """
        if not types:
            raise InvalidRequest("name at least one sandbox type to connect to")
        if len(set(types)) < len(types):
            raise InvalidRequest(f"a session holds one sandbox of a kind: name each once, not {', '.join(types)}")
        blueprints = [self.kinds(kind) for kind in types]
        limits, memory = self.policy.limits, sum(blueprint.memory for blueprint in blueprints)
        for name, asked, limit, unit in (
            ("MAX_SANDBOX_INSTANCES", len(types), limits.total, "sandboxes"),
            ("MAX_SANDBOXES_PER_USER", len(types), limits.per_user, "sandboxes"),
            ("MAX_SANDBOX_MEMORY", memory >> 20, limits.memory >> 20, "MiB"),
        ):
            if 0 < limit < asked:
                raise InvalidRequest(f"{', '.join(types)} are {asked} {unit}, and {name} allows {limit}")
        if options.resolution is not None and not any(blueprint.has_desktop for blueprint in blueprints):
            raise InvalidRequest(f"resolution: none of {', '.join(types)} has a desktop")

    def drafts(self, wish: Wish) -> dict[str, SandboxRecord]:
        """Make the records of all kinds of a wish; those that are to share a workspace name the same one."""
        volume = _name("vol") if wish.options.shared_workspace else ""
        return {kind: replace(self.draft(kind), volume=volume) for kind in wish.types}

    def draft(self, sandbox_type: str) -> SandboxRecord:
        """Make the record of a sandbox that does not exist yet, with a name and a token of its own.

        The token follows from the name, so that a manager that lost all records can still talk to the box.

        Raises:
            UnknownSandboxType: Nobody registered such a kind.
        """
        sandbox_id = _name("sbx")
        blueprint = self.kinds(sandbox_type)
        return SandboxRecord(
            sandbox_id=sandbox_id,
            sandbox_type=sandbox_type,
            state=State.STARTING,
            image=blueprint.image,
            created_at=self.clock(),
            token=self.identity.box_token(sandbox_id),
            manager=self.store.manager,
            memory=blueprint.memory,
        )


def _name(prefix: str) -> str:
    return f"{prefix}-{b32encode(secrets.token_bytes(13)).decode().lower()[:20]}"
