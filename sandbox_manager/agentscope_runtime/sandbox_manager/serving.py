"""Serving the application over HTTP: uvicorn, with what it needs to be fast, and to end in good order.

Both ways to run a manager use it: the command (`__main__`) and the thread inside another program (`embedded`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from agentscope_runtime.sandbox_manager.listening import BACKLOG

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept. Longer than clients keep theirs, so that none writes into a closing one."""


def configure(app: ASGIApp, *, grace: float) -> uvicorn.Config:
    """Return how to serve.

    Args:
        app: What to serve.
        grace: Seconds that open connections are given to end when the server ends.
    """
    return uvicorn.Config(
        app,
        # "auto" is uvloop and httptools where they are installed.
        loop="auto",
        http="auto",
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # VNC has compressed already; this would only add latency
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=grace,  # type: ignore[arg-type]  # a float works: it goes to asyncio.wait_for
    )


class Server(uvicorn.Server):
    """uvicorn's server, but it ends at once when asked to, and always in good order.

    A second Ctrl-C makes the stock one skip the end of the application, which would leave our containers behind.
    """

    def __init__(self, config: uvicorn.Config, *, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
        """Prepare.

        Args:
            config: See `configure`.
            on_start: Called when calls are answered.
            on_stop: Called when the end begins, once.
        """
        super().__init__(config)
        self._on_start = on_start
        self._on_stop = on_stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def stop(self) -> None:
        """Begin to end; may be called from any thread, from a signal handler, and again."""
        self.should_exit = True
        if self._loop is not None and self._stopping is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def main_loop(self) -> None:
        """Wait for the end; the stock loop looks ten times a second."""
        assert self._stopping is not None
        tick = 0
        while not await self.on_tick(tick):
            tick += 10  # uvicorn renews the Date header on every tenth
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._on_stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on the first signal; further ones change nothing. The signal is not raised again after the end."""
        del frame
        self.stop()
