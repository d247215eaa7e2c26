"""What happens to sandboxes and leases, as frozen events, and the bus that tells who wants to know.

Code that makes things happen emits; logs, metrics and open desktops subscribe. Nothing here decides anything.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from agentscope_runtime.sandbox_manager.states import LeaseKey

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    level: ClassVar[int] = logging.INFO


@dataclass(frozen=True, slots=True)
class SandboxStarted(Event):
    """The container of a sandbox runs; its box does not answer yet."""

    level: ClassVar[int] = logging.DEBUG

    sandbox_id: str
    sandbox_type: str
    took: float
    """Seconds that the engine needed."""


@dataclass(frozen=True, slots=True)
class SandboxReady(Event):
    """A sandbox answers, and what it is for is up."""

    sandbox_id: str
    sandbox_type: str
    took: float
    """Seconds since its container was asked for."""


@dataclass(frozen=True, slots=True)
class SandboxStartFailed(Event):
    """A sandbox did not become ready."""

    level: ClassVar[int] = logging.WARNING

    sandbox_id: str
    sandbox_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class SandboxStopping(Event):
    """A sandbox is taken out of use: released, idle, displaced, stale or dead. Open connections to it shall end."""

    sandbox_id: str
    sandbox_type: str
    key: LeaseKey | None
    reason: str
    died: bool = False


@dataclass(frozen=True, slots=True)
class SandboxStoppingElsewhere(SandboxStopping):
    """The same, done by another manager, which tells of it and counts it."""

    level: ClassVar[int] = logging.DEBUG


@dataclass(frozen=True, slots=True)
class SandboxRemoved(Event):
    """The container of a sandbox is gone, and its workspace."""

    level: ClassVar[int] = logging.DEBUG

    sandbox_id: str
    sandbox_type: str


@dataclass(frozen=True, slots=True)
class RemovalFailed(Event):
    """A container could not be removed; it is tried again."""

    level: ClassVar[int] = logging.WARNING

    sandbox_id: str
    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class SandboxSilent(Event):
    """A leased sandbox runs and does not answer; it is left to its holder."""

    level: ClassVar[int] = logging.WARNING

    sandbox_id: str
    sandbox_type: str
    beats: int
    """Heartbeats in a row that it missed."""


@dataclass(frozen=True, slots=True)
class LeaseGranted(Event):
    """A session got sandboxes that it did not hold before."""

    key: LeaseKey
    sandbox_ids: tuple[str, ...]
    warm: tuple[bool, ...]
    """For each, whether it was found ready in the pool."""
    waited: float
    """Seconds."""
    sandbox_types: tuple[str, ...] = ()
    """Of each."""


@dataclass(frozen=True, slots=True)
class LeaseEnded(Event):
    """A session's sandboxes were released, by itself or for being idle."""

    key: LeaseKey
    sandbox_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class LeaseSuspended(Event):
    """Nobody used a session's sandboxes for a while: their containers are being removed, their workspaces stay."""

    key: LeaseKey
    sandbox_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class LeaseResumed(Event):
    """Suspended sandboxes of a session answer again."""

    key: LeaseKey
    sandbox_ids: tuple[str, ...]
    waited: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class SandboxSuspended(Event):
    """The container of a sandbox is gone; its workspace waits for its next use."""

    level: ClassVar[int] = logging.DEBUG

    sandbox_id: str
    sandbox_type: str


@dataclass(frozen=True, slots=True)
class SandboxPaused(Event):
    """A leased sandbox is frozen until it is used."""

    level: ClassVar[int] = logging.DEBUG

    sandbox_id: str
    sandbox_type: str


@dataclass(frozen=True, slots=True)
class RefillDelayed(Event):
    """Starts of one kind keep failing; the next attempt waits."""

    level: ClassVar[int] = logging.WARNING

    sandbox_type: str
    failures: int
    retry_in: float
    reason: str


@dataclass(frozen=True, slots=True)
class OrphanRemoved(Event):
    """Something on the engine that no living manager of this installation knows was removed."""

    sandbox_id: str
    manager: str
    what: str
    """`container` or `volume`."""


@dataclass(frozen=True, slots=True)
class ManagerSucceeded(Event):
    """A manager died, and what it had begun is finished by this one."""

    level: ClassVar[int] = logging.WARNING

    manager: str
    sandbox_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoreRebuilt(Event):
    """The store knew nothing, and was filled again from what the boxes remember."""

    level: ClassVar[int] = logging.WARNING

    leased: tuple[str, ...]
    """Sandboxes that went back to their sessions."""
    warm: tuple[str, ...]
    """Those that nobody had used."""
    removed: tuple[str, ...]
    """Those that could not say whose they are, or were not ready."""


@dataclass(frozen=True, slots=True)
class BackendLost(Event):
    """The container engine stopped answering."""

    level: ClassVar[int] = logging.WARNING

    reason: str


@dataclass(frozen=True, slots=True)
class BackendBack(Event):
    """The container engine answers again."""


Subscriber = Callable[[Event], None]


class Events:
    """Tells subscribers what happens, at once and in order."""

    def __init__(self, *subscribers: Subscriber) -> None:
        self._subscribers = list(subscribers)

    def emit(self, event: Event) -> None:
        """Tell everybody; one subscriber's failure is logged and spoils nothing."""
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(event)
            except Exception:
                logger.exception("a subscriber failed on %s", type(event).__name__)

    @contextmanager
    def subscribed(self, subscriber: Subscriber) -> Iterator[None]:
        """Call `subscriber` with every event while the context is open."""
        self._subscribers.append(subscriber)
        try:
            yield
        finally:
            self._subscribers.remove(subscriber)


@cache
def outside(name: str) -> str:
    """Return what an event is called outside of this program: `SandboxReady` is `sandbox_ready`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def told(event: Event) -> dict[str, Any]:
    """Return an event as plain data: its name as `event`, and its members; a key is `user_id` and `session_id`."""
    members: dict[str, Any] = {"event": outside(type(event).__name__)}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, LeaseKey):
            members |= {"user_id": value.user_id, "session_id": value.session_id}
        else:
            members[field.name] = round(value, 3) if isinstance(value, float) else value
    if members.get("key", "") is None:
        del members["key"]
    return members


def log_event(event: Event) -> None:
    """Log an event: its name and members as the message, and as extra members for structured handlers."""
    if not logger.isEnabledFor(event.level):
        return
    text = " ".join(f"{field.name}={_brief(getattr(event, field.name))}" for field in fields(event))
    logger.log(event.level, "%s %s", type(event).__name__, text, extra=told(event))


def _brief(value: object) -> object:
    """Seconds come from a clock of floats; in a line for people a millisecond is enough."""
    return f"{value:.3f}" if isinstance(value, float) else value
