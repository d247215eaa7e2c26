"""Speaks the Jupyter wire protocol to one kernel: sends requests, hands messages to whoever waits for them.

Only the few messages that cells need; `jupyter_client` would double the server's import time and memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import zmq
import zmq.asyncio

from sandbox_server.kernels.process import KernelProcess

log = logging.getLogger(__name__)

DELIMITER = b"<IDS|MSG>"
MESSAGE_LIMIT = 24 << 20
"""Bytes of one frame. The kernel cuts what cells say to less; zmq disconnects whoever sends more."""
HEADER_LIMIT = 64 << 10
VALUES_LIMIT = 3 << 19
"""JSON values in one frame, or rather the characters between them: a megabyte of text has no more. Without that, a
frame of empty lists would fill ten times its size in memory."""
QUEUE_LIMIT = 4  # messages that wait for us here; the others wait in the kernel's own memory
RECONNECT_MS = 10  # the kernel binds its sockets a few hundred milliseconds after we connect
NUDGE_S = 0.2
"""How long we wait for a welcome before we nudge. Most kernels need that long to start, so many are nudged for nothing,
which costs them a message; one that has overlooked us costs its user no more than this."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a kernel says; nothing in it can be trusted, the user's code may have written it."""

    kind: str
    request: str
    """The id of the request that it answers or belongs to; empty where there is none."""
    content: dict[str, Any]


Listener = Callable[[Message], None]


class KernelClient:
    """The channels to one kernel."""

    def __init__(self, kernel: KernelProcess, context: zmq.asyncio.Context) -> None:
        """Connect; the kernel need not listen yet."""
        self._kernel = kernel
        self._context = context
        self._key = kernel.key
        self._session = secrets.token_hex(8)
        self._listeners: dict[str, Listener] = {}
        self._welcomed = asyncio.Event()
        self._shell = self._connect(context, zmq.DEALER, kernel.endpoint("shell"))
        self._control = self._connect(context, zmq.DEALER, kernel.endpoint("control"))
        self._readers = [asyncio.create_task(self._read(socket)) for socket in (self._shell, self._control)]
        self._listen()

    async def welcome(self) -> None:
        """Wait until the kernel knows that we listen: what it says before is lost.

        It may overlook a subscription. ipykernel's output thread waits on zmq's descriptor, which tells of an event
        once; a message that the thread sends on the same socket just then takes that notice away, and the subscription
        lies there unread. One start in some hundreds hung like that. Any later event makes the thread read all there
        is, so until it answers we cause some: we subscribe to a topic, a new one each time, since zmq does not tell the
        kernel of what somebody has subscribed to already, and drop it at once, so that nothing adds up.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NUDGE_S):
                    await self._welcomed.wait()
                return
            if not self._iopub.closed:  # else the kernel has ended, and who waits learns that elsewhere
                topic = secrets.token_hex(8).encode()
                self._iopub.subscribe(topic)
                self._iopub.unsubscribe(topic)

    async def execute(self, code: str, listener: Listener, *, silent: bool = False) -> str:
        """Ask the kernel to run code; `listener` gets every message about it until `forget`."""
        content = {
            "code": code,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        request = secrets.token_hex(8)
        self._listeners[request] = listener
        await self._send(self._shell, "execute_request", content, request)
        return request

    def forget(self, request: str) -> None:
        """Stop listening for messages about this request."""
        self._listeners.pop(request, None)

    async def interrupt(self) -> None:
        """Ask the kernel to interrupt what runs; it does, unless native code holds it."""
        await self._send(self._control, "interrupt_request", {}, secrets.token_hex(8))

    async def listen_again(self) -> None:
        """Open the channel of the output anew: zmq gives it up for good where a message was over the limit."""
        reader = self._readers.pop()
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        self._iopub.close(linger=0)
        self._welcomed.clear()
        self._listen()
        await self.welcome()

    def _listen(self) -> None:
        self._iopub = self._connect(self._context, zmq.SUB, self._kernel.endpoint("iopub"))
        self._iopub.subscribe(b"")
        self._readers.append(asyncio.create_task(self._read(self._iopub)))

    async def close(self) -> None:
        """Close the channels."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for socket in (self._shell, self._control, self._iopub):
            socket.close(linger=0)

    @staticmethod
    def _connect(context: zmq.asyncio.Context, kind: int, endpoint: str) -> zmq.asyncio.Socket:
        socket = context.socket(kind)
        socket.reconnect_ivl = RECONNECT_MS
        socket.maxmsgsize = MESSAGE_LIMIT
        socket.rcvhwm = QUEUE_LIMIT
        socket.linger = 0
        socket.connect(endpoint)
        return socket

    async def _send(self, socket: zmq.asyncio.Socket, kind: str, content: dict[str, Any], request: str) -> None:
        header = {
            "msg_id": request,
            "msg_type": kind,
            "session": self._session,
            "username": "",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.4",
        }
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        signature = hmac.new(self._key, b"".join(parts), hashlib.sha256).hexdigest().encode()
        await socket.send_multipart([DELIMITER, signature, *parts])

    async def _read(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            frames = await socket.recv_multipart()
            await asyncio.sleep(0)  # where many messages are there, receiving one does not let others run
            try:
                message = _parse(frames)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IndexError):
                log.warning("the kernel sent what is no message; ignored")
                continue
            if message.kind == "iopub_welcome":
                self._welcomed.set()
            elif listener := self._listeners.get(message.request):
                listener(message)


def _parse(frames: list[bytes]) -> Message:
    start = frames.index(DELIMITER) + 2
    frames = frames[start : start + 4]
    header, parent = (_load(frame, HEADER_LIMIT) for frame in frames[:2])
    content = _load(frames[3], MESSAGE_LIMIT)
    if not isinstance(content, dict):
        raise TypeError("content is not an object")
    request = parent.get("msg_id", "") if isinstance(parent, dict) else ""
    return Message(kind=str(header["msg_type"]), request=str(request), content=content)


def _load(frame: bytes, limit: int) -> Any:
    if len(frame) > limit or sum(map(frame.count, (b",", b"[", b"{"))) > VALUES_LIMIT:
        raise ValueError("too much for one message")
    return json.loads(frame)
