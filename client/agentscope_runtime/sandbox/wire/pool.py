"""How the pools stand."""

from __future__ import annotations

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


class PoolReport(Wire):
    """Answer of `GET /v1/pool`."""

    types: dict[str, PoolStatus]
    limit: int
    """Most sandboxes at once, over all kinds; 0 is no limit."""
