"""Events as `text/event-stream`: a `data:` line each, a comment when nothing happens for long, at the end `[DONE]`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping

from anyio import CancelScope
from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as write_json
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from agentscope_runtime.engine.schemas.event import Event
from agentscope_runtime.engine.serialization import on_one_line, to_json, to_jsonable

GATHER_S = 0.001
"""Pause after each send; what happens meanwhile goes out together, for a send costs as much as a dozen events.

Event loops count in milliseconds and round up, so it is nearly two.
"""

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def event_json(event: Event) -> bytes:
    """Return an event as JSON, whatever a handler put into it."""
    try:
        written = write_json(event, fallback=to_jsonable)
    except PydanticSerializationError:  # a circle, bytes that are no text, half a character
        return to_json(event).encode("utf-8", "replace")
    return written if written.isascii() else on_one_line(written)


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
            keep_alive_s: Seconds of silence, above zero, after which a comment tells proxies that the stream is alive.
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
        line = _Line(send)
        sending = asyncio.ensure_future(self._send_all(line))
        watching = [asyncio.ensure_future(client_left(receive)), asyncio.ensure_future(line.hum(self._keep_alive_s))]
        sent_all = False
        try:
            await asyncio.wait((sending, *watching), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
                sent_all = True
        except OSError:  # how some servers say that the client is gone
            pass
        finally:
            if not sent_all:
                await self._on_disconnect()  # first: a failing middleware cancels whatever waits, again and again
            with CancelScope(shield=True):
                await _end(sending, *watching)
                if isinstance(self._batches, AsyncGenerator):
                    await self._batches.aclose()
        if self.background is not None:  # FastAPI sets it, to what dependencies left to do
            await self.background()

    async def _send_all(self, line: _Line) -> None:
        await line.begin(self.status_code, self.raw_headers)
        async for batch in self._batches:
            await line.write(encode(batch))
            await asyncio.sleep(GATHER_S)
        await line.write(DONE, more=False)


class _Line:
    """The way to one client, on which one thing is sent at a time."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._turn = asyncio.Lock()
        self._used_at = self._now()

    async def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the head."""
        await self._put({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, chunk: bytes, *, more: bool = True) -> None:
        """Send some bytes, when the client has room for them."""
        await self._put({"type": "http.response.body", "body": chunk, "more_body": more})

    async def hum(self, silence_s: float) -> None:
        """Send a comment whenever nothing was sent for so many seconds."""
        while True:
            if (left := self._used_at + silence_s - self._now()) > 0:
                await asyncio.sleep(left)
            else:
                await self.write(KEEP_ALIVE)

    async def _put(self, message: Message) -> None:
        async with self._turn:
            await self._send(message)
            self._used_at = self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def client_left(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(*tasks: asyncio.Future[None]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
