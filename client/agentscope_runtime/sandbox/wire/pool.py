"""How the pools stand."""

from __future__ import annotations

from pydantic import Field

from agentscope_runtime.sandbox.wire.base import Wire


class Failure(Wire):
    """Why sandboxes of one kind did not start."""

    count: int
    """In a row; 0 after one success."""
    reason: str = ""
    at: float | None = None
    retry_in: float = 0.0
    """Seconds until the refill tries again."""


class PoolStatus(Wire):
    """How the pool of one kind stands."""

    target: int
    ready: int
    starting: int
    leased: int
    suspended: int = 0
    """In a lease, without a container until they are used again."""
    stopping: int
    hits: int
    """Leases served from the pool so far."""
    misses: int
    """Leases that had to start a sandbox."""
    failures: Failure


class PoolLimits(Wire):
    """How much there may be at once; 0, or a kind that is not named, is no limit."""

    total: int = 0
    """Sandboxes over all kinds, warm ones included."""
    per_user: int = 0
    """Sandboxes that all sessions of one user hold."""
    types: dict[str, int] = Field(default_factory=dict)
    """Sandboxes by kind, warm ones included."""
    memory: int = 0
    """Bytes that all of them may use."""


class Queue(Wire):
    """Who waits in this manager for room."""

    length: int = 0
    """Most that may."""
    waiting: int = 0
    users: int = 0
    """How many different ones wait."""
    longest: float = 0.0
    """Seconds that the first of them waits."""


class PoolReport(Wire):
    """Answer of `GET /v1/pool`."""

    types: dict[str, PoolStatus]
    limit: int
    """Most sandboxes at once, over all kinds; 0 is no limit."""
    limits: PoolLimits = PoolLimits()
    queue: Queue = Queue()
