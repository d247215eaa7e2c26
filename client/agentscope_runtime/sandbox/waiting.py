"""What waits differently in async and in sync code, as pairs: `x_async` and `x`.

The generated modules use the second of each pair where the written ones use the first. The async halves use anyio, as
httpx does; it is imported at the first use.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    import anyio

P = ParamSpec("P")
T = TypeVar("T")


async def sleep_async(seconds: float) -> None:
    """Let others run for so long."""
    import anyio

    await anyio.sleep(seconds)


def sleep(seconds: float) -> None:
    """Wait so long."""
    time.sleep(seconds)


async def run_blocking_async(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what blocks in a thread, so that the event loop does not."""
    import functools

    import anyio.to_thread

    return await anyio.to_thread.run_sync(functools.partial(function, *args, **kwargs))


def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run it here: the caller expects to wait."""
    return function(*args, **kwargs)


def lock_async() -> anyio.Lock:
    """Make a lock for tasks."""
    import anyio

    return anyio.Lock()


def lock() -> contextlib.AbstractContextManager[bool]:
    """Make a lock for threads."""
    return threading.Lock()


def shielded_async() -> contextlib.AbstractContextManager[object]:
    """Finish the body even when the task is being cancelled: what is given back must not be lost half-way."""
    import anyio

    return anyio.CancelScope(shield=True)


def shielded() -> contextlib.AbstractContextManager[object]:
    """Do nothing: a thread is not cancelled."""
    return contextlib.nullcontext()
