"""Serving the application over HTTP: uvicorn, with what it needs to be fast, and to end in good order.

Both ways to run a manager use it: the command (`__main__`) and the thread inside another program (`embedded`).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from agentscope_runtime.sandbox_manager.listening import BACKLOG

MESSAGE_LIMIT = 16 << 20
"""Bytes of one WebSocket message from outside."""
PROGRAMS = "/cdp/"
PREVIEW_HOST = re.compile(r"p\d+-", re.IGNORECASE)
"""Where paths are a visited program's."""
PROGRAMS_MESSAGE_LIMIT = 64 << 20
"""The same on this path: programs that drive a browser send it whole files."""
PIECES_MAX = 16384
"""Frames of one message: each costs memory of its own, even one of no bytes, which no limit of bytes counts."""
KEEP_ALIVE = 75
"""Seconds that an idle connection is kept. Longer than clients keep theirs, so that none writes into a closing one."""


class QuietProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # which one it is depends on what is installed
    """HTTP without a log line for each call.

    uvicorn's own `access_log=False` would silence all servers of the process: in embedded mode, the user's, too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


class BoundedSocket(WebSocketsSansIOProtocol):
    """WebSockets whose unfinished messages stay within bounds, and end with their connection."""

    def handle_connect(self, event: Request) -> None:
        """See uvicorn."""
        visits = any(map(PREVIEW_HOST.match, event.headers.get_all("Host")))
        if event.path.startswith(PROGRAMS) and not visits:
            self.conn.max_message_size = PROGRAMS_MESSAGE_LIMIT
        super().handle_connect(event)

    def handle_cont(self, event: Frame) -> None:
        """See uvicorn."""
        if self.close_sent:
            return
        super().handle_cont(event)
        if len(self.frames) > PIECES_MAX:
            self.frames = []
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, f"a message of more than {PIECES_MAX} frames")
            self.handle_parser_exception()

    def connection_lost(self, exc: Exception | None) -> None:
        """See uvicorn."""
        super().connection_lost(exc)
        self.frames = []
        self.conn.reader.discard()  # else half a message stays until the garbage collector comes by


@contextmanager
def quiet_thread() -> Iterator[None]:
    """Keep from uvicorn's log what a server in this thread says that is no warning.

    Programs that serve something themselves would read that two servers start, and think that one of them is wrong.
    """
    here = threading.get_ident()

    def is_worth_it(record: logging.LogRecord) -> bool:
        return record.thread != here or record.levelno >= logging.WARNING

    log = logging.getLogger("uvicorn.error")
    log.addFilter(is_worth_it)
    try:
        yield
    finally:
        log.removeFilter(is_worth_it)


def spare_the_collector() -> None:
    """Take what there is now out of the garbage collector's rounds; for a process that is ours, once it serves.

    What the imports made is never garbage, and looking through all of it stops the event loop for 70 ms each time.
    """
    gc.collect()
    gc.freeze()


def configure(app: ASGIApp, *, grace: float) -> uvicorn.Config:
    """Return how to serve.

    Args:
        app: What to serve.
        grace: Seconds that open connections are given to end when the server ends.
    """
    return uvicorn.Config(
        app,
        loop="auto",  # uvloop where it is installed
        http=QuietProtocol,
        ws=BoundedSocket,
        ws_max_size=MESSAGE_LIMIT,
        ws_per_message_deflate=False,  # VNC has compressed already; this would only add latency
        log_config=None,
        server_header=False,
        lifespan="on",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=grace,  # type: ignore[arg-type]  # a float works: it goes to asyncio.wait_for
    )


class Server(uvicorn.Server):
    """uvicorn's server, but it begins to end at once when asked to, and always ends in good order.

    A second Ctrl-C makes the stock one skip the end of the application, which would leave our containers behind.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_start: Callable[[], None],
        on_stop: Callable[[], None],
        drain: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Prepare.

        Args:
            config: See `configure`.
            on_start: Called when calls are answered.
            on_stop: Called when the end begins, once.
            drain: Awaited then, while calls are still answered; a second signal cuts it short.
        """
        super().__init__(config)
        self._on_start = on_start
        self._on_stop = on_stop
        self._drain = drain
        self._hurry: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def stop(self) -> None:
        """Begin to end; may be called from any thread, from a signal handler, and again: then nothing is waited for."""
        event = self._hurry if self.should_exit else self._stopping
        self.should_exit = True
        if self._loop is not None and event is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(event.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._loop, self._stopping, self._hurry = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
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
        if self._drain is not None and self._hurry is not None:
            draining = asyncio.ensure_future(self._drain())
            hurry = asyncio.ensure_future(self._hurry.wait())
            await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
            draining.cancel()
            hurry.cancel()
            await asyncio.wait({draining, hurry})
            if not draining.cancelled():
                draining.result()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in good order on the first signal, without waiting for calls on the second.

        The signal is not raised again after the end.
        """
        del frame
        self.stop()
