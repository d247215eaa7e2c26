"""`/v1/events`: what happens, as it happens, to whoever watches (server-sent events).

A reader who comes back with `Last-Event-ID` goes on where it was, if it comes to the same manager soon. One who is too
slow is told how much it missed. The stream ends when the manager does: come back, to another one if there is one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from agentscope_runtime.sandbox_manager.feed import Body, Feed

router = APIRouter(prefix="/v1", tags=["events"])

ALIVE_EVERY = 15.0
"""Seconds of silence after which a comment is sent: proxies close what says nothing."""
RETRY = 1000
"""Milliseconds after which readers shall come back."""
LAST_WORDS = 1.0
"""Seconds that a reader has to take what was sent last."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
LONGEST = 86400.0
"""Seconds that a reader is served; then it comes back."""


class Wanted(BaseModel):
    """Which events a reader asks for; of what it does not name, all."""

    event: list[str] = []
    sandbox_id: list[str] = []
    sandbox_type: list[str] = []
    session_id: list[str] = []
    user_id: list[str] = []
    seconds: float = Field(LONGEST, gt=0, le=LONGEST)
    """After which the stream ends, if the manager does not before."""

    def matches(self, body: Body) -> bool:
        """Tell whether this is one of them."""
        filters = (
            (self.event, (body["event"],)),
            (self.sandbox_id, _said(body, "sandbox_id")),
            (self.sandbox_type, _said(body, "sandbox_type")),
            (self.session_id, _said(body, "session_id")),
            (self.user_id, _said(body, "user_id")),
        )
        return all(not names or not set(names).isdisjoint(said) for names, said in filters)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events, until one of both ends it"}},
)
async def events(
    request: Request,
    wanted: Annotated[Wanted, Query()],
) -> StreamingResponse:
    """Stream what happens, of all managers of the installation; each filter may be given several times."""
    state = request.app.state
    return Watched(Reader(state.feed, state.drain.begun, wanted, request.headers.get("last-event-id", "")))


class Watched(StreamingResponse):
    """The stream, which ends when its time is over, even where nobody takes what is sent: a manager waits for it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lines = reader.lines()
        super().__init__(self._lines, media_type="text/event-stream", headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        sending = asyncio.create_task(super().__call__(scope, receive, send))
        over = asyncio.create_task(self._over())
        try:
            await asyncio.wait({sending, over}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, over):
                task.cancel()
            await asyncio.gather(sending, over, return_exceptions=True)
            await self._lines.aclose()  # one that was cut off while it was sent counts as a reader until then

    async def _over(self) -> None:
        await self._reader.end()
        await asyncio.sleep(LAST_WORDS)


class Reader:
    """One who watches."""

    def __init__(self, feed: Feed, ending: asyncio.Event, wanted: Wanted, last_id: str) -> None:
        self._feed = feed
        self._ending = ending
        self._wanted = wanted
        self._at = feed.number_of(last_id)

    async def lines(self) -> AsyncGenerator[str, None]:
        """Yield what is sent, until the end."""
        loop = asyncio.get_running_loop()
        ending = asyncio.create_task(self.end())
        try:
            with self._feed.reading():
                yield f"retry: {RETRY}\n\n"
                said_at = loop.time()
                while not ending.done():
                    if text := self._next():
                        yield text
                    elif (quiet_for := loop.time() - said_at) < ALIVE_EVERY:
                        await self._more(ending, ALIVE_EVERY - quiet_for)
                        continue
                    else:
                        yield ": still here\n\n"
                    said_at = loop.time()
        finally:
            ending.cancel()
            await asyncio.wait([ending])

    def _next(self) -> str:
        """Return some of what is wanted; "" when there is no more."""
        text = ""
        while not text and self._at < self._feed.newest:
            batch = self._feed.after(self._at)
            if batch.missed:
                text = _message("missed", {"count": batch.missed})
            for number, body in enumerate(batch.bodies, batch.first):
                if self._wanted.matches(body):
                    text += _message(body["event"], body, self._feed.id_of(number))
            self._at = batch.first + len(batch.bodies) - 1
        return text

    async def _more(self, ending: asyncio.Task[None], within: float) -> None:
        more = asyncio.create_task(self._feed.beyond(self._at))
        try:
            await asyncio.wait({more, ending}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            more.cancel()

    async def end(self) -> None:
        """Return when the manager ends, or the reader has had its time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wanted.seconds):
                await self._ending.wait()


def _message(event: str, body: Body, event_id: str = "") -> str:
    identified = f"id: {event_id}\n" if event_id else ""
    return f"{identified}event: {event}\ndata: {json.dumps(body)}\n\n"


def _said(body: Body, name: str) -> Iterable[str]:
    """Return what an event says of this, be it one or several."""
    return (body[name],) if name in body else body.get(f"{name}s", ())
