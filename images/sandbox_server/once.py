"""Calls that are made once, however often they are asked for: a caller whose connection broke asks again.

A call that carries a key goes on when its connection ends, for a while: the manager between may have been killed, and
whoever asks again with that key, through another manager, gets the answer of the call that runs, or ran. Not here: what
a call is (`tools`), and calls without a key, which end with their connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from sandbox_server.problems import invalid_request, unavailable

HEADER = "Idempotency-Key"
KEY_MAX = 128
"""Characters."""
ALONE_S = 15.0
"""Seconds for which a call that nobody waits for goes on, and its answer is remembered after it: as long as callers try
to reach a manager."""
KEPT_BYTES = 16 << 20
"""Bytes of answers that are remembered; older ones go before their time, but not that their calls were made."""


@dataclass(slots=True)
class _Call:
    asked: bytes
    running: asyncio.Future[bytes]
    waiting: int = 0
    size: int = 0
    unwanted: bool = False
    """Whether a caller has left for good, and the connection that it left is not noticed yet."""
    alone: asyncio.TimerHandle | None = field(default=None, repr=False)


class Once:
    """The calls with keys."""

    def __init__(self) -> None:
        """Begin with none."""
        self._calls: dict[str, _Call] = {}

    def begin(self, key: str, asked: bytes, make: Callable[[], Awaitable[bytes]]) -> asyncio.Future[bytes]:
        """Return the call of this key, made now if there is none; `leave` must follow.

        Args:
            key: The caller's, new for each call.
            asked: What is asked for; a key that comes with something else is refused.
            make: Makes the call; its answer is the body.
        """
        if not key.isascii() or not key.isprintable() or len(key) > KEY_MAX:
            raise invalid_request(f"{HEADER} must be at most {KEY_MAX} printable ASCII characters")
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call(asked, asyncio.ensure_future(make()))
            call.running.add_done_callback(partial(self._ended, key, call))
        elif call.asked != asked:
            raise invalid_request(f"{HEADER} {key!r} came with another call before; a new call needs a new one")
        call.waiting += 1
        call.unwanted = False
        if call.alone is not None:
            call.alone.cancel()
            call.alone = None
        return call.running

    def leave(self, key: str) -> None:
        """Wait no more: a call that nobody waits for is given some seconds."""
        call = self._calls.get(key)
        if call is None:
            return
        call.waiting -= 1
        unwanted, call.unwanted = call.unwanted, False
        if call.waiting or call.running.done():
            return
        if unwanted:
            call.running.cancel()
        else:
            call.alone = asyncio.get_running_loop().call_later(ALONE_S, call.running.cancel)

    def stop(self, key: str) -> bool:
        """End a call once nobody waits for it: one caller has left, another may be there. False if it does not run."""
        call = self._calls.get(key)
        if call is None or call.running.done():
            return False
        call.unwanted = True
        if not call.waiting:
            call.running.cancel()
        return True

    def _ended(self, key: str, call: _Call, running: asyncio.Future[bytes]) -> None:
        # Looked at here, since perhaps nobody comes to ask any more.
        failed = running.cancelled() or running.exception() is not None
        call.size = 0 if failed else len(running.result())
        asyncio.get_running_loop().call_later(ALONE_S, self._calls.pop, key, None)
        remembered = sum(each.size for each in self._calls.values())
        for each in self._calls.values():
            if remembered <= KEPT_BYTES:
                break
            if each.size and each is not call:
                remembered -= each.size
                each.size, each.running = 0, _lost()


def _lost() -> asyncio.Future[bytes]:
    """Return what is left of an answer that was dropped: whoever asks again must not have the call made again."""
    lost: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    lost.set_exception(unavailable("this call was made, but its answer is not kept any more: too many came after it"))
    lost.exception()  # looked at, since perhaps nobody asks
    return lost
