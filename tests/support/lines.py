"""Asking a pool for sandboxes that it has no room for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from fake_pool import World, key

from agentscope_runtime.sandbox.errors import PoolExhausted, QuotaExceeded, Unavailable
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import Lease, Limits

GIB = 1 << 30


def full_at(total: int, **others: Any) -> Policy:
    """Return rules with room for so many sandboxes."""
    return Policy(limits=Limits(total=total), **others)


def asks(
    w: World, session: str, user: str = "u1", kinds: Sequence[str] = ("base",), wait_s: float = 100.0
) -> asyncio.Task[Lease]:
    """Begin to connect."""
    return asyncio.ensure_future(w.pool.connect(key(session, user), kinds, wait_s=wait_s))


async def refusal(task: asyncio.Task[Lease]) -> Unavailable:
    """Return how a call was refused."""
    with pytest.raises((PoolExhausted, QuotaExceeded)) as caught:
        await task
    return caught.value


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()
