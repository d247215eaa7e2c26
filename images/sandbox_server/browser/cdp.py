"""The server's own words to Chromium in the DevTools protocol, for what Playwright has no words for.

One connection carries many sessions: the browser's own, and one for each target that is attached to. Not here: what
other programs say by that protocol (`remote`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from sandbox_server.parts import PartFailed

Message = dict[str, Any]
Listener = Callable[[str, Message], None]
"""Hears of an event of the browser itself: its name and its parameters."""

ANSWER_S = 10.0
OPEN_S = 5.0


class CdpError(Exception):
    """Chromium refused; says what and why."""


@asynccontextmanager
async def opened(endpoint: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Open a WebSocket of Chromium's; messages may have any size, since pictures and files travel in them.

    Raises:
        ConnectionError: Chromium does not answer.
    """
    timeout = aiohttp.ClientWSTimeout(ws_close=1.0)
    async with aiohttp.ClientSession() as http:
        try:
            async with asyncio.timeout(OPEN_S):
                socket = await http.ws_connect(endpoint, max_msg_size=0, compress=0, timeout=timeout)
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            raise ConnectionError(f"Chromium does not answer by CDP: {e}") from e
        async with socket:
            yield socket


class Cdp:
    """One connection to the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Use `connected`."""
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._listeners: list[Listener] = []
        self._expected: dict[tuple[str, str], asyncio.Future[Message]] = {}

    @classmethod
    @asynccontextmanager
    async def connected(cls, endpoint: str) -> AsyncIterator[Cdp]:
        """Connect while the context is open.

        Raises:
            PartFailed: Chromium does not answer.
        """
        async with contextlib.AsyncExitStack() as stack:
            try:
                cdp = cls(await stack.enter_async_context(opened(endpoint)))
            except ConnectionError as e:
                raise PartFailed(str(e)) from e
            reading = asyncio.create_task(cdp._read(), name="words of Chromium")
            try:
                yield cdp
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def listen(self, listener: Listener) -> None:
        """Tell of the browser's own events from now on."""
        self._listeners.append(listener)

    def expect(self, event: str, session: str) -> asyncio.Future[Message]:
        """Return what the next event of this name in a session will say; cancel it if nobody waits any more."""
        said: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._expected[event, session] = said

        def forget(_: asyncio.Future[Message]) -> None:
            if self._expected.get((event, session)) is said:
                del self._expected[event, session]

        said.add_done_callback(forget)
        return said

    async def send(self, method: str, parameters: Message | None = None, session: str | None = None) -> Message:
        """Ask for something and return the answer.

        Raises:
            CdpError: Chromium refused.
            ConnectionError: it has ended, or does not answer.
        """
        number = next(self._numbers)
        message: Message = {"id": number, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_str(json.dumps(message))
            async with asyncio.timeout(ANSWER_S):
                said = await answer
        except (TimeoutError, aiohttp.ClientError) as e:
            raise ConnectionError(f"Chromium does not answer {method}") from e
        finally:
            self._waiting.pop(number, None)
        if "error" in said:
            raise CdpError(f"{method}: {said['error'].get('message')}")
        result: Message = said.get("result", {})
        return result

    async def _read(self) -> None:
        try:
            async for frame in self._socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._hear(json.loads(frame.data))
        finally:
            for answer in (*self._waiting.values(), *self._expected.values()):
                if not answer.done():
                    answer.set_exception(ConnectionError("the browser ended"))

    def _hear(self, message: Message) -> None:
        answer = self._waiting.get(message.get("id", 0))
        if answer is not None and not answer.done():
            answer.set_result(message)
        elif "sessionId" in message:
            expected = self._expected.get((message.get("method", ""), message["sessionId"]))
            if expected is not None and not expected.done():
                expected.set_result(message.get("params", {}))
        elif "method" in message:
            for listener in self._listeners:
                listener(message["method"], message.get("params", {}))
