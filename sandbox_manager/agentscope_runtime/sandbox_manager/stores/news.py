"""What managers that share a store hear of each other's deeds.

Plain data. A manager never hears of what it did itself: it knows from the answers of the store's verbs.
"""

from __future__ import annotations

from dataclasses import dataclass

from agentscope_runtime.sandbox_manager.states import LeaseKey


@dataclass(frozen=True, slots=True)
class Woken:
    """Something changed for those who wait for sandboxes of this key: they claim again."""

    key: LeaseKey


@dataclass(frozen=True, slots=True)
class Failed:
    """A sandbox that this key waited for did not start."""

    key: LeaseKey
    sandbox_type: str
    code: str
    """Of the error: `sandbox.errors.from_problem` makes it again."""
    detail: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A sandbox was taken out of use; whoever did that destroys it. Open connections to it shall end."""

    sandbox_id: str
    sandbox_type: str
    key: LeaseKey | None
    reason: str
    died: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """A free sandbox was promised to a session: the pool has one less."""

    sandbox_type: str


@dataclass(frozen=True, slots=True)
class Room:
    """There may be room where there was none, or news was missed: who waits for room tries again."""


News = Woken | Failed | Stopped | Taken | Room
