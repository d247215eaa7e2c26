"""A viewer's WebSocket and a box's, connected until one of them, or the lease, ends.

Each direction is one loop on asyncio that waits for its receiver, so a slow viewer slows the box's VNC server instead
of filling our memory. Not here: who may watch (`desktop`), and what a watcher may say (`rfb`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

import aiohttp
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from agentscope_runtime.sandbox_manager.api.rfb import ProtocolViolation
from agentscope_runtime.sandbox_manager.events import Event, SandboxStopping

if TYPE_CHECKING:
    from agentscope_runtime.sandbox_manager.events import Events

logger = logging.getLogger(__name__)

REASON_MAX = 120
"""Bytes; a WebSocket's close frame holds 123."""


class Close(int, Enum):
    """Why a desktop's WebSocket was closed, for the page; 4000 and above are ours by the standard."""

    LEFT = 1000  #: the viewer itself
    REFUSED = 4003  #: the link was used, or too old; or this viewer spoke no RFB
    ENDED = 4010  #: the sandbox was released, or died
    LOST = 4011  #: the desktop inside the sandbox closed the connection


End = tuple[Close, str]
Filter = Callable[[bytes], bytes]


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


async def connect(viewer: WebSocket, box: aiohttp.ClientWebSocketResponse, ending: Ending, say: Filter) -> None:
    """Pass everything between both until one side or the sandbox ends; then close both, and tell the viewer why.

    Args:
        viewer: The person's side, accepted.
        box: The desktop's side.
        ending: Of the sandbox.
        say: What of the viewer's words the desktop may hear.
    """
    tasks = {
        asyncio.create_task(_from_viewer(viewer, box, say), name="desktop: from viewer"),
        asyncio.create_task(_to_viewer(viewer, box), name="desktop: to viewer"),
        asyncio.create_task(ending.wait(), name="desktop: end of the sandbox"),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        # A box that is released closes its side, too: the reason is worth more than the symptom.
        code, reason = min((task.result() for task in done), key=lambda end: end[0] is not Close.ENDED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await close(viewer, code, reason)


async def close(viewer: WebSocket, code: Close, reason: str) -> None:
    """Close the viewer's side, unless it is closed."""
    if viewer.application_state is WebSocketState.CONNECTED and viewer.client_state is WebSocketState.CONNECTED:
        short = reason.encode()[:REASON_MAX].decode(errors="ignore")
        try:
            await viewer.close(int(code), short)
        except (RuntimeError, WebSocketDisconnect):  # it left at the same moment
            logger.debug("the viewer had left")


async def _from_viewer(viewer: WebSocket, box: aiohttp.ClientWebSocketResponse, say: Filter) -> End:
    try:
        while True:
            message = await viewer.receive()
            if message["type"] == "websocket.disconnect":
                return Close.LEFT, ""
            if (data := message.get("bytes")) and (allowed := say(data)):
                await box.send_bytes(allowed)
    except ProtocolViolation as error:
        return Close.REFUSED, f"This viewer does not speak VNC: {error}."
    except (aiohttp.ClientError, ConnectionError):
        return Close.LOST, "The desktop closed the connection."


async def _to_viewer(viewer: WebSocket, box: aiohttp.ClientWebSocketResponse) -> End:
    try:
        async for message in box:
            if message.type is aiohttp.WSMsgType.BINARY:
                # Past Starlette's wrapper: this is every frame of every screen.
                await viewer.send({"type": "websocket.send", "bytes": message.data})
    except (WebSocketDisconnect, RuntimeError):
        return Close.LEFT, ""
    return Close.LOST, "The desktop closed the connection."
