"""Letting things finish although their caller is cancelled, when half of it done would be lost; or giving them up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


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


async def give_up(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel these tasks, and return when they have ended; how they ended is for nobody."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)
