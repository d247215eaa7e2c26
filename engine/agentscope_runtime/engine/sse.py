"""Events as `text/event-stream`: a `data:` line each, a comment when nothing happens for long, at the end `[DONE]`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as write_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agentscope_runtime.engine.schemas.event import Event
from agentscope_runtime.engine.serialization import to_json, to_jsonable

GATHER_S = 0.002
"""Pause after each send; what happens meanwhile goes out together, for a send costs as much as a dozen events."""

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def event_json(event: Event) -> bytes:
    """Return an event as JSON, whatever a handler put into it."""
    try:
        return write_json(event, fallback=to_jsonable)
    except PydanticSerializationError:  # a circle, bytes that are no text, half a character
        return to_json(event).encode("utf-8", "replace")


def encode(events: Iterable[Event]) -> bytes:
    """Return the lines of some events."""
    return b"".join([b"data: %b\n\n" % event_json(event) for event in events])


class EventStream(Response):
    """Streams batches of events to one client.

    It asks for the next batch when the client has room for it: so a slow client holds whoever fills the batches. All
    that it reads of the client is whether it is still there.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        batches: AsyncIterator[list[Event]],
        *,
        keep_alive_s: float = 15.0,
        on_disconnect: Callable[[], Awaitable[None]],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the stream.

        Args:
            batches: What to send; closed at the end, whichever it is.
            keep_alive_s: Seconds of silence after which a comment tells proxies that the stream is alive.
            on_disconnect: Awaited once if the stream ends before all was sent: the client is gone, or the server stops.
            headers: Further headers.
        """
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})})
        self._batches = batches
        self._keep_alive_s = keep_alive_s
        self._on_disconnect = on_disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, or as much as the client stays for."""
        gone = asyncio.ensure_future(_disconnect(receive))
        sent_all = False
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            sent_all = await self._send_batches(send, gone)
            if sent_all:
                await send({"type": "http.response.body", "body": DONE, "more_body": False})
        finally:
            await _end(gone)
            if isinstance(self._batches, AsyncGenerator):
                await self._batches.aclose()
            if not sent_all:
                await self._on_disconnect()

    async def _send_batches(self, send: Send, gone: asyncio.Future[None]) -> bool:
        """Send batch by batch; say whether that were all, and not only those that the client stayed for."""
        upcoming = asyncio.ensure_future(self._next())
        try:
            while True:
                await asyncio.wait((upcoming, gone), timeout=self._keep_alive_s, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return False
                if not upcoming.done():
                    await _send_chunk(send, KEEP_ALIVE)
                    continue
                if (batch := upcoming.result()) is None:
                    return True
                await _send_chunk(send, encode(batch))
                await asyncio.sleep(GATHER_S)
                upcoming = asyncio.ensure_future(self._next())
        finally:
            await _end(upcoming)

    async def _next(self) -> list[Event] | None:
        return await anext(self._batches, None)


async def _disconnect(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_chunk(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancel a task, and wait until it has ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
