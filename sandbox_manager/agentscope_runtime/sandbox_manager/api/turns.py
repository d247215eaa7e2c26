"""Bounding how many calls begin in one turn of the event loop, so that a hundred at once do not stop everything else.

A call that finds everything it needs in memory runs from its beginning to its answer in one piece. A hundred that
arrive together would be one piece of a hundred: meanwhile no desktop moves, and no box hears a heartbeat.
"""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Receive, Scope, Send

PIECE = 0.01
"""Seconds of a turn in which calls may begin; those that come later begin in the next one."""


class Turns:
    """Lets calls begin in the order in which they came, some of them in each turn of the loop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._began: float | None = None  # when the first call of this turn began

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call, when it is its turn."""
        if scope["type"] != "lifespan":
            while not self._may_begin():  # noqa: ASYNC110 - what is waited for is the loop's next turn
                await asyncio.sleep(0)
        await self._app(scope, receive, send)

    def _may_begin(self) -> bool:
        now = time.monotonic()
        if self._began is None:
            self._began = now
            asyncio.get_running_loop().call_soon(self._next_turn)
        return now - self._began < PIECE

    def _next_turn(self) -> None:
        self._began = None
