"""What the manager knows of its sandboxes: states, the moves between them, and frozen records.

Plain data without I/O. The store decides which move happens; everything else only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from agentscope_runtime.sandbox import errors, wire


class State(StrEnum):
    """Where a sandbox is in its life."""

    STARTING = "starting"  #: recorded; its container is asked for, or about to be, and does not answer yet
    WARM = "warm"  #: answers, and no session uses it (it may be promised to one that waits for more)
    LEASED = "leased"  #: one session holds it
    SUSPENDING = "suspending"  #: one session holds it and does not use it; its container is being removed
    SUSPENDED = "suspended"  #: one session holds its workspace; it has no container until it is used again
    STOPPING = "stopping"  #: on its way out; it never comes back


MAY_BECOME: dict[State, frozenset[State]] = {
    State.STARTING: frozenset({State.WARM, State.SUSPENDED, State.STOPPING}),
    State.WARM: frozenset({State.LEASED, State.STOPPING}),
    State.LEASED: frozenset({State.SUSPENDING, State.STOPPING}),
    State.SUSPENDING: frozenset({State.SUSPENDED, State.STOPPING}),
    State.SUSPENDED: frozenset({State.STARTING, State.STOPPING}),
    State.STOPPING: frozenset(),
}
"""The moves. There is none back to WARM: a sandbox that somebody used is destroyed, or starts again for the same key.
One that is to start again and could not is SUSPENDED again: its workspace outlives a failed start."""

OCCUPYING = frozenset({State.STARTING, State.WARM, State.LEASED, State.SUSPENDING})
"""States with a container, or about to have one: what limits are about."""


@dataclass(frozen=True, slots=True)
class LeaseKey:
    """Whose lease it is. Two names, never one joined string: (`a_b`, `c`) is not (`a`, `b_c`)."""

    user_id: str
    session_id: str

    def __str__(self) -> str:
        return f"session {self.session_id!r} of user {self.user_id!r}"


NO_OPTIONS = wire.LeaseOptions()
MAY_CHANGE = frozenset({"resolution", "mcp_servers"})
"""Options that a lease may be given anew; the others stay what they were first said to be."""

FROM_THE_START = frozenset({"shared_workspace", "environment", "from_snapshot"})
"""Options that a sandbox has when it is started, or leased, or never."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much there may be at the same time, of what is OCCUPYING; 0, or a kind that is not named, is no limit."""

    total: int = 0
    per_user: int = 0
    """Sandboxes that all sessions of one user hold or are promised, together."""
    types: Mapping[str, int] = field(default_factory=dict)
    """Sandboxes by kind."""
    memory: int = 0
    """Bytes that all of them may use, together."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a session asks for."""

    key: LeaseKey
    types: tuple[str, ...]
    """The kinds, without repeats."""
    options: wire.LeaseOptions = NO_OPTIONS
    life: float = 0.0
    """Seconds from its first grant after which the lease ends in any case; 0 is never."""
    grows: bool = True
    """Whether the key may get what it does not have, or start again what is suspended."""

    def as_it_is(self) -> Wish:
        """Return the same wish for what the key has, or was promised, already."""
        return replace(self, grows=False)

    def agreed(self, held: Iterable[SandboxRecord]) -> wire.LeaseOptions:
        """Return the options of the lease, given what the session holds: what this wish does not say stays.

        Raises:
            InvalidRequest: It contradicts what was agreed before.
        """
        before = next((record.options for record in held), None)
        if before is None:
            return self.options
        said = self.options.model_dump(exclude_none=True)
        for name, value in said.items():
            old = getattr(before, name)
            if old != value and name not in MAY_CHANGE and (old is not None or (name in FROM_THE_START and value)):
                have, want = ("another one", "this one") if name == "environment" else (repr(old), repr(value))
                raise errors.InvalidRequest(
                    f"{self.key} holds sandboxes with {name}: {have}; connect without {name}, or release them to get "
                    f"others with {want}"
                )
        return before.model_copy(update=said) if said else before


@dataclass(frozen=True, slots=True)
class Address:
    """Where the manager reaches a box."""

    host: str
    port: int
    desktop_port: int | None = None
    """Of websockify; None where the kind has no desktop."""


@dataclass(frozen=True, slots=True)
class SandboxRecord:
    """Everything known of one sandbox; a move makes a new record."""

    sandbox_id: str
    sandbox_type: str
    state: State
    image: str
    created_at: float
    token: str = field(repr=False)
    """What the box wants to see; leaves the manager only on the container's standard input."""
    container_id: str = ""
    image_id: str = ""
    """What `image` named when the container was made; another one today makes this one stale."""
    address: Address | None = None
    key: LeaseKey | None = None
    """Who holds it, or (before LEASED) whom it is promised to."""
    options: wire.LeaseOptions = NO_OPTIONS
    """What the lease was asked to be; nothing as long as there is none."""
    mcp_servers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """MCP servers that its session wants in it, by name: the options', and those added since, without those removed."""
    volume: str = ""
    """The workspace that it shares with the other sandboxes of its lease; "" where it has one of its own."""
    generation: int = 0
    """Counts the leases; the box refuses calls that carry an older one."""
    warm: bool = False
    """Whether its lease found it ready."""
    leased_at: float | None = None
    """When its session got it first; that it was suspended since changes nothing."""
    last_active_at: float | None = None
    manager: str = ""
    """Who starts, suspends or stops it now: if that one dies, another has to finish it."""
    restored: bool = False
    """Whether it was suspended and started again; from then on it is nobody else's, even while it starts."""
    paused: bool = False
    """Whether its processes are frozen, or just about to be."""
    suspended_at: float | None = None
    expires_at: float | None = None
    """When its lease ends in any case; the same for all of a lease."""
    memory: int = 0
    """Bytes that it may use."""

    @property
    def answers(self) -> bool:
        """Whether the box is up as far as the manager knows."""
        return self.state in (State.WARM, State.LEASED)

    def is_of(self, generation: int) -> bool:
        """Whether what was granted for that generation still holds: a restored sandbox is the same session's."""
        return generation == self.generation or (self.restored and generation < self.generation)

    @property
    def in_lease(self) -> bool:
        """Whether it is a session's own, whose work is in it; not if it is only promised, or STOPPING."""
        if self.state in (State.STARTING, State.WARM):
            return self.restored
        return self.state is not State.STOPPING

    @property
    def tied(self) -> bool:
        """Whether it can serve nobody but the key that it was started for."""
        return self.restored or self.options.needs_own

    @property
    def is_adoptable(self) -> bool:
        """Whether a sandbox that was found may be recorded like this: somebody's, or WARM and nobody's."""
        return self.state in (State.WARM, State.LEASED, State.SUSPENDED) and (self.key is None) is (
            self.state is State.WARM
        )

    def is_behind(self, found: SandboxRecord) -> bool:
        """Tell whether it takes a sandbox for free that was found leased: a store that was set back says so."""
        return self.key is None and self.state in (State.STARTING, State.WARM) and found.state is State.LEASED

    def with_mcp_servers(
        self, added: Mapping[str, Any], *, overwrite: bool = False, without: str | None = None
    ) -> SandboxRecord:
        """Return the record with these servers, and `without` one; a name that is taken stays, or is overwritten."""
        kept = {name: config for name, config in self.mcp_servers.items() if name != without}
        new = {name: config for name, config in added.items() if overwrite or name not in kept}
        return replace(self, mcp_servers={**kept, **new})

    def to_info(self) -> wire.SandboxInfo:
        """Return what may be told about it: no token, no address."""
        key = self.key
        return wire.SandboxInfo(
            sandbox_id=self.sandbox_id,
            sandbox_type=self.sandbox_type,
            state=self.state.value,
            image=self.image,
            container_id=self.container_id,
            container_name=self.sandbox_id,
            session_id=None if key is None else key.session_id,
            user_id=None if key is None else key.user_id,
            generation=self.generation,
            warm=self.warm,
            desktop=self.address is not None and self.address.desktop_port is not None,
            shared_workspace=bool(self.volume),
            restored=self.restored,
            paused=self.paused,
            created_at=self.created_at,
            leased_at=self.leased_at,
            last_active_at=self.last_active_at,
            suspended_at=self.suspended_at,
            expires_at=self.expires_at,
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """Sandboxes that one session holds, in the order in which they were asked for."""

    key: LeaseKey
    sandboxes: tuple[SandboxRecord, ...]

    @property
    def since(self) -> float:
        """When the first of these was leased."""
        return min((record.leased_at or 0.0 for record in self.sandboxes), default=0.0)

    def to_info(self, idle_timeout: float | None = None, idle_action: str | None = None) -> wire.LeaseInfo:
        """Return the lease as clients see it, with the seconds after which it is idle, and what happens then."""
        return wire.LeaseInfo(
            session_id=self.key.session_id,
            user_id=self.key.user_id,
            sandboxes=[record.to_info() for record in self.sandboxes],
            idle_timeout=idle_timeout,
            idle_action=idle_action,
            expires_at=next((record.expires_at for record in self.sandboxes), None),
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a sandbox is no more; whoever asks for it later is told."""

    reason: str
    """Ends the sentence "sandbox X …": `was released`, `was idle for 300 s and released`, `ended: exit code 137`."""
    died: bool = False
    """Whether it went by itself, while it was needed."""

    def to_error(self, sandbox_id: str) -> errors.SandboxError:
        """Return the error for a call to the sandbox that ended like this."""
        if self.died:
            cure = "; connect again to get a fresh one"  # which the reason may say already
            return errors.SandboxDied(f"sandbox {sandbox_id} {self.reason.removesuffix(cure)}{cure}")
        return errors.SandboxNotFound(f"sandbox {sandbox_id} {self.reason}")


@dataclass(frozen=True, slots=True)
class Census:
    """How many sandboxes of one kind there are."""

    starting: int = 0
    """STARTING, promised or not, and WARM ones promised to a session that waits for its other kinds."""
    ready: int = 0
    """WARM and free."""
    leased: int = 0
    suspending: int = 0
    suspended: int = 0
    stopping: int = 0
    unclaimed: int = 0
    """STARTING or WARM and promised to nobody: what the pool's target is about."""
    taken: int = field(default=0, compare=False)
    """Times that a session was given one, or the promise of one, that the pool could have had ready; it only grows."""
