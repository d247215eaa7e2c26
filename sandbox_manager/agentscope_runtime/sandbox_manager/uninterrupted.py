"""Letting things finish although their caller is cancelled or a part of them fails, when half of it done would be lost
track of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end; a cancellation of the caller is raised after it, and then its outcome is dropped."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains that it never was
        raise


async def all_of(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Run two things side by side, both to their end, and raise the first one's error before the other's."""
    first, second = await asyncio.gather(one, other, return_exceptions=True)
    if isinstance(first, BaseException):
        raise first
    if isinstance(second, BaseException):
        raise second
    return first, second
