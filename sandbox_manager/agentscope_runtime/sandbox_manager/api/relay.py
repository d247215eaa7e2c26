"""A viewer's WebSocket and a box's, connected until one of them, or the lease, ends.

Each direction is one loop on asyncio that waits for its receiver, so a slow viewer slows the box's program instead of
filling our memory. Not here: who may connect (`visits`), and what a watcher may say (`rfb`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import WSMsgType
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from agentscope_runtime.sandbox_manager.events import Event, SandboxStopping

if TYPE_CHECKING:
    from agentscope_runtime.sandbox_manager.events import Events

logger = logging.getLogger(__name__)

BROKEN = "The connection into the sandbox broke."
REASON_MAX = 120
"""Bytes; a WebSocket's close frame holds 123."""
SAYABLE = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
"""Codes that a close frame may carry; others stand for frames without a code, or for no frame at all."""


class Close(IntEnum):
    """Why we close a viewer's WebSocket, for the page; 4000 and above are ours by the standard."""

    LEFT = 1000  #: the viewer itself
    REFUSED = 4003  #: the link was used, or too old; or this viewer does not speak the protocol
    ENDED = 4010  #: the sandbox was released, or died
    LOST = 4011  #: the program inside the sandbox went away without a word


End = tuple[int, str]
Words = bytes | str
"""One message: a binary frame, or a text frame."""
Filter = Callable[[Words], Words | None]
"""Returns what may be said of a message, None if nothing; raises Refused to end it."""


class Refused(Exception):
    """The viewer may not go on; the message is what it is told."""


class Ending:
    """Waits for the end of one sandbox."""

    def __init__(self, sandbox_id: str) -> None:
        self._sandbox_id = sandbox_id
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    @classmethod
    @contextmanager
    def of(cls, sandbox_id: str, events: Events) -> Iterator[Ending]:
        """Listen for it while the context is open."""
        ending = cls(sandbox_id)
        with events.subscribed(ending._note):
            yield ending

    async def wait(self) -> End:
        """Return why, once it has ended."""
        return await asyncio.shield(self._end)

    def _note(self, event: Event) -> None:
        if isinstance(event, SandboxStopping) and event.sandbox_id == self._sandbox_id and not self._end.done():
            self._end.set_result((Close.ENDED, f"The sandbox {event.reason}."))


async def connect(
    viewer: WebSocket, box: aiohttp.ClientWebSocketResponse, ending: Ending, say: Filter | None = None
) -> None:
    """Pass every message between both until one side or the sandbox ends; then close both, and say why.

    Codes and reasons with which one side closes reach the other, so what runs in the box may use its own.

    Args:
        viewer: The outer side, accepted.
        box: The box's side.
        ending: Of the sandbox.
        say: What of the viewer's words the box may hear; None: everything.
    """
    from_viewer = asyncio.create_task(_from_viewer(viewer, box, say), name="relay: from viewer")
    tasks = {
        from_viewer,
        asyncio.create_task(_to_viewer(viewer, box), name="relay: to viewer"),
        asyncio.create_task(ending.wait(), name="relay: end of the sandbox"),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        # A box that is released closes its side, too: the reason is worth more than the symptom.
        code, reason = min((task.result() for task in done), key=lambda end: end[0] != Close.ENDED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if from_viewer in done:
        await box.close(code=code if code in SAYABLE else Close.LEFT, message=_short(reason))
    await close(viewer, code, reason)


async def close(viewer: WebSocket, code: int, reason: str) -> None:
    """Close the viewer's side, unless it is closed."""
    if viewer.application_state is WebSocketState.CONNECTED and viewer.client_state is WebSocketState.CONNECTED:
        try:
            await viewer.close(code if code in SAYABLE else Close.LOST, _short(reason).decode())
        except (RuntimeError, WebSocketDisconnect):  # it left at the same moment
            logger.debug("the viewer had left")


def _short(reason: str) -> bytes:
    return reason.encode()[:REASON_MAX].decode(errors="ignore").encode()


async def _from_viewer(viewer: WebSocket, box: aiohttp.ClientWebSocketResponse, say: Filter | None) -> End:
    try:
        while True:
            message = await viewer.receive()
            if message["type"] == "websocket.disconnect":
                return message.get("code", Close.LEFT), message.get("reason") or ""
            data = message.get("bytes")
            words: Words | None = message["text"] if data is None else data
            if say is not None and words is not None:
                words = say(words)
            if isinstance(words, bytes):
                await box.send_bytes(words)
            elif words is not None:
                await box.send_str(words)
    except Refused as error:
        return Close.REFUSED, str(error)
    except (aiohttp.ClientError, ConnectionError):
        return Close.LOST, BROKEN


async def _to_viewer(viewer: WebSocket, box: aiohttp.ClientWebSocketResponse) -> End:
    try:
        while True:
            message = await box.receive()
            # Past Starlette's wrapper: this is every frame of every screen.
            match message.type:
                case WSMsgType.BINARY:
                    await viewer.send({"type": "websocket.send", "bytes": message.data})
                case WSMsgType.TEXT:
                    await viewer.send({"type": "websocket.send", "text": message.data})
                case WSMsgType.CLOSE:
                    # 0: it closed without a code, which is a proper end.
                    return message.data or Close.LEFT, message.extra or ""
                case _:  # CLOSED, CLOSING, ERROR: the connection broke
                    return Close.LOST, BROKEN
    except (WebSocketDisconnect, RuntimeError):
        return Close.LEFT, ""
