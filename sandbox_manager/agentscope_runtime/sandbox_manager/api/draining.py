"""A manager that is about to end: what runs is finished, what is new is refused at once, and may go elsewhere.

A pure ASGI middleware, the first of all, because it counts every call. Once draining has begun, calls get the problem
`draining` before anything of them was done, so clients send them again: to another manager of the pool, or to the one
that takes this one's place. Each answer closes its connection, so that nobody writes into one that is about to go.

Not here: the signal, and how long running calls may take (`serving`); whose leases go on (`lifespan`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentscope_runtime.sandbox.errors import Draining
from agentscope_runtime.sandbox_manager.api.problems import problem

ANSWERED = frozenset({"/health", "/liveness"})
"""Paths that are answered to the end: the process lives, and must not be killed for ending in good order."""
RETRY_AFTER = 1.0
QUIET = 0.25
"""Seconds without any call after which callers are taken to have gone elsewhere: who calls on a connection in the very
moment in which it is closed does not know whether the call arrived."""
LINGER = 2.0
"""Seconds for which that is waited for, at most."""
REFUSAL = "this sandbox manager is about to end and begins nothing new; send the call again, it had no effect"


class Drain:
    """How many calls run, and whether further ones may begin."""

    def __init__(self) -> None:
        """Begin in service."""
        self.begun = asyncio.Event()
        """Set when the end begins; answers that go on for ever end then."""
        self.running = 0
        """Calls that have begun and are not answered."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._last_call = -QUIET

    async def finish(self, within: float) -> int:
        """Begin nothing new, and wait for what runs and until callers have noticed.

        Args:
            within: Seconds for what runs.

        Returns:
            How many calls run still.
        """
        self.begun.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        give_up = time.monotonic() + LINGER
        while self._quiet_in() > 0 and time.monotonic() < give_up:  # noqa: ASYNC110 - silence sends no event
            await asyncio.sleep(self._quiet_in())
        return self.running

    async def then(self, send_away: Callable[[], None]) -> None:
        """Wait for the end to begin, and send those away who wait here for what another manager may have."""
        await self.begun.wait()
        send_away()

    def _quiet_in(self) -> float:
        return self._last_call + QUIET - time.monotonic()

    def heard(self) -> None:
        """Take note that somebody called."""
        self._last_call = time.monotonic()

    def enter(self) -> None:
        """Count a call."""
        self.running += 1
        self._idle.clear()

    def leave(self) -> None:
        """Count it no more."""
        self.running -= 1
        if not self.running:
            self._idle.set()


class DrainGate:
    """The middleware."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        """Wrap an application."""
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        drain = self._drain
        drain.heard()
        if drain.begun.is_set() and scope["path"] not in ANSWERED:
            refusal = problem(Draining(REFUSAL, retry_after=RETRY_AFTER))
            refusal.headers["Connection"] = "close"
            # To a WebSocket, starlette sends it as the answer to the handshake.
            return await refusal(scope, receive, send)
        if scope["type"] == "websocket":  # open for hours: they are told to come back, not waited for
            return await self._app(scope, receive, send)

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and drain.begun.is_set():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        drain.enter()
        try:
            await self._app(scope, receive, closing)
        finally:
            drain.heard()  # who was answered may call again
            drain.leave()
