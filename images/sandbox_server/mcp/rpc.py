"""JSON-RPC with one MCP server, over whatever carries its messages: requests, their answers, and its end.

Not here: what carries messages (`stdio`, `http`), and what is asked of servers (`server`). Messages come
from programs that nobody knows: they are JSON objects, and nothing else of them is believed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Any, Protocol

log = logging.getLogger(__name__)

Message = dict[str, Any]

METHOD_NOT_FOUND = -32601
CANCEL_WITHIN_S = 2.0
REASON_WITHIN_S = 1.0
MESSAGE_LIMIT = 8 << 20
"""Bytes of one message; an image of a whole screen takes less."""
MOST_BESIDE = 64
"""Messages on their way that nobody waits for; a server that asks more than it reads is not answered."""
ID_MAX = 256
"""Characters of the name that a server gives to a question; all that we say of it goes back to it."""
TURN = 64
"""Messages of one server after which others have their turn on the loop, however fast they come."""


class Lost(Exception):
    """The server is gone, or cannot be reached; the message says how that came."""


class Refused(Exception):
    """The server answered with an error; the message is its own."""

    def __init__(self, code: int, message: str) -> None:
        """Describe it as the server did."""
        super().__init__(message)
        self.code = code


class Line(Protocol):
    """What carries messages to a server and back."""

    async def open(self, deliver: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        """Begin; messages that come are delivered, and an end is told once, with its reason.

        Raises:
            Lost: There is no server.
        """

    async def send(self, message: Message) -> None:
        """Send a message; may return only when its answer was delivered.

        Raises:
            Lost: It did not arrive, or will not be answered.
        """

    def said(self) -> str:
        """Return the end of what the server said beside its messages; "" where there is no such thing."""

    async def close(self) -> None:
        """End the server, or let it go; nothing of it stays."""


class Rpc:
    """Asks one server."""

    def __init__(self, line: Line, heard: Callable[[str], None]) -> None:
        """Talk over this line; `heard` is told the method of each notification."""
        self._line = line
        self._heard = heard
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._beside: set[asyncio.Task[None]] = set()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why there is nobody at the other end any more."""

    async def open(self) -> None:
        """Reach the server; see `Line.open`."""
        await self._line.open(self._deliver, self._end)

    async def request(self, method: str, params: Message, timeout_s: float) -> Message:
        """Ask, and return the result.

        Raises:
            Refused: The server answered with an error.
            Lost: It is gone.
            TimeoutError: It did not answer in time; it is told that nobody waits any more.
        """
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        sending = asyncio.create_task(self._line.send(message))
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait({answer, sending}, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    await self._sent(sending)
                return _result(await answer)
        except (TimeoutError, asyncio.CancelledError):
            if method != "initialize":  # the protocol forbids to cancel that
                self._tell("notifications/cancelled", {"requestId": number, "reason": "nobody waits any more"})
            raise
        finally:
            del self._waiting[number]
            answer.cancel()
            sending.cancel()
            await asyncio.gather(answer, sending, return_exceptions=True)

    async def notify(self, method: str) -> None:
        """Send a notification."""
        await self._line.send({"jsonrpc": "2.0", "method": method})

    async def close(self) -> None:
        """Hang up; requests under way are lost."""
        self._end("it was stopped")
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self._line.close()

    async def _sent(self, sending: asyncio.Task[None]) -> None:
        try:
            await sending
        except Lost:
            # A pipe breaks a moment before the reason is known.
            await asyncio.wait({self.ended}, timeout=REASON_WITHIN_S)
            if self.ended.done():
                raise Lost(self.ended.result()) from None
            raise

    def _end(self, reason: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(reason)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Lost(reason))

    def _deliver(self, message: Message) -> None:
        number, method = message.get("id"), message.get("method")
        if isinstance(method, str):
            if number is None:
                self._heard(method)
            else:
                self._serve(number, method)
        elif isinstance(number, int) and (answer := self._waiting.get(number)) is not None and not answer.done():
            answer.set_result(message)

    def _serve(self, number: Any, method: str) -> None:
        """Answer what the server asks: it may look whether we are there, and nothing else was offered to it."""
        if not isinstance(number, (int, str)) or len(str(number)) > ID_MAX:
            return  # no name that the protocol knows
        error = {"code": METHOD_NOT_FOUND, "message": f"this client does not offer {method[:ID_MAX]}"}
        answer: Message = {"result": {}} if method == "ping" else {"error": error}
        self._beside_it({"jsonrpc": "2.0", "id": number, **answer})

    def _tell(self, method: str, params: Message) -> None:
        if not self.ended.done():
            self._beside_it({"jsonrpc": "2.0", "method": method, "params": params})

    def _beside_it(self, message: Message) -> None:
        if len(self._beside) >= MOST_BESIDE:
            return
        task = asyncio.create_task(self._send_soon(message))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _send_soon(self, message: Message) -> None:
        with contextlib.suppress(Lost, TimeoutError):
            async with asyncio.timeout(CANCEL_WITHIN_S):
                await self._line.send(message)


def _result(message: Message) -> Message:
    error = message.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        raise Refused(code if isinstance(code, int) else 0, str(error.get("message", ""))[:2000])
    result = message.get("result")
    if not isinstance(result, dict):
        raise Refused(0, "its answer has neither a result nor an error")
    return result
