"""What a caller is told for whom there is no room: the same words and members whatever the store.

Each error has `retry_after` (seconds), `limited_by` (`total`, `type`, `memory` or `user`) and `limit` (its value);
`type` has `sandbox_type`, too.
"""

from __future__ import annotations

from agentscope_runtime.sandbox.errors import PoolExhausted, QuotaExceeded
from agentscope_runtime.sandbox_manager.states import LeaseKey, Limits

RETRY_AFTER = 2.0
"""Seconds that a refused caller is told to wait: about what a session needs to end or a sandbox to be removed."""


def full(limits: Limits) -> PoolExhausted:
    """Refuse for the number of all sandboxes."""
    return PoolExhausted(
        f"all {limits.total} sandboxes that MAX_SANDBOX_INSTANCES allows are taken; release one, wait, or raise it",
        retry_after=RETRY_AFTER,
        limited_by="total",
        limit=limits.total,
    )


def full_of(sandbox_type: str, limits: Limits) -> PoolExhausted:
    """Refuse for the number of sandboxes of one kind."""
    limit = limits.types[sandbox_type]
    return PoolExhausted(
        f"all {limit} {sandbox_type} sandboxes that MAX_SANDBOXES_BY_TYPE allows are taken; release one, wait, or "
        "raise it",
        retry_after=RETRY_AFTER,
        limited_by="type",
        limit=limit,
        sandbox_type=sandbox_type,
    )


def out_of_memory(limits: Limits) -> PoolExhausted:
    """Refuse for the memory that all sandboxes may use."""
    return PoolExhausted(
        f"the {limits.memory >> 20} MiB of memory that MAX_SANDBOX_MEMORY allows are promised; release a sandbox, "
        "wait, or raise it",
        retry_after=RETRY_AFTER,
        limited_by="memory",
        limit=limits.memory,
    )


def over_quota(key: LeaseKey, limits: Limits) -> QuotaExceeded:
    """Refuse for the number of one user's sandboxes."""
    return QuotaExceeded(
        f"user {key.user_id!r} has all {limits.per_user} sandboxes that MAX_SANDBOXES_PER_USER allows, or asks for "
        "more at once; release one, or wait",
        retry_after=RETRY_AFTER,
        limited_by="user",
        limit=limits.per_user,
    )
