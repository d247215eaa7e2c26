"""An event loop whose clock jumps: when everybody waits, it is at once as late as the first of them waits for.

A test may let an hour pass in no time, and assert to the second when something happened. Nothing in it may wait for
the outside world (sockets, threads): if nobody waits for time either, nothing will ever happen, and the loop says so.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")

EPOCH = 1_000_000.0
"""What the wall clock shows when the loop starts."""


class Stuck(AssertionError):
    """Every task waits for another one, or for something outside."""


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if timeout is None:
            raise Stuck("nothing is scheduled: the test waits for what will never happen")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds since the loop began."""
        return self._jumping.now


def clock() -> float:
    """Return the wall-clock time of the running loop; pass it to whatever wants a clock."""
    return EPOCH + asyncio.get_running_loop().time()


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make an async test a plain one that runs in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


async def settle() -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(100):
        await asyncio.sleep(0)
