"""Lets programs drive the browser by the DevTools protocol, beside the tools and the person at the desktop.

What they say reaches Chromium as it is, but for what would end the browser, or change for all where downloads go.
That is for programs that mean well and end a browser by habit, as Puppeteer does: whoever may speak the protocol may
do anything that the browser can, and what that is, Chromium's confinement bounds (`chromium`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import WSMsgType, web

from sandbox_server.browser.cdp import CdpError, Message, opened
from sandbox_server.parts import PartFailed
from sandbox_server.problems import Problem, start_failed

if TYPE_CHECKING:
    from sandbox_server.browser.downloads import Downloads
    from sandbox_server.browser.part import Browser

log = logging.getLogger(__name__)

CLIENTS_MAX = 32
QUEUE_MAX = 1000
"""News of downloads that one program may be behind; then it is too slow to be told."""
ENDED = 4010
REFUSED = {
    "Browser.crash": "Browser.crash is refused: others use this browser, too",
    "Browser.crashGpuProcess": "Browser.crashGpuProcess is refused: others use this browser, too",
}
FILTERED = frozenset({*REFUSED, "Browser.close", "Browser.setDownloadBehavior"})
"""Methods that Chromium hears from nobody but us."""
WRAPPING = "Target.sendMessageToTarget"
"""The method of old that carries another message, as text."""
SIGNS = ('"Browser.', "\\u", "\\x")
"""A message without any of these names no such method, however it is spelled (Chromium reads the last one, too, which
is not of JSON); that saves reading the large ones."""
UNREADABLE: Message = {"error": {"code": -32700, "message": "the message is no JSON object"}}


class Remote:
    """The WebSocket of programs."""

    def __init__(self, browser: Browser) -> None:
        """Give access to this browser."""
        self._browser = browser
        self._clients = 0

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/cdp", self.drive), web.get("/cdp/version", self.version)]

    async def version(self, request: web.Request) -> web.Response:
        """Say which browser this is, in the words of its own `/json/version`."""
        endpoint = await self._endpoint()
        address = endpoint.replace("ws://", "http://").partition("/devtools/")[0]
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{address}/json/version") as answer:
                said: dict[str, Any] = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, ValueError) as e:
            raise start_failed(f"the browser does not answer: {e}") from e
        said.pop("webSocketDebuggerUrl", None)  # nobody outside can reach that one
        return web.json_response(said)

    async def drive(self, request: web.Request) -> web.WebSocketResponse:
        """Carry what a program and Chromium say to each other, until one of them leaves."""
        if self._clients >= CLIENTS_MAX:
            detail = f"{CLIENTS_MAX} programs drive this browser by CDP already; close one of them"
            raise Problem(409, "invalid_request", "Too many programs", detail)
        endpoint = await self._endpoint()
        downloads = (await self._browser.session()).tabs.downloads
        socket = web.WebSocketResponse(max_msg_size=0, compress=False, timeout=1.0)
        self._clients += 1
        try:
            async with opened(endpoint) as chromium:
                await socket.prepare(request)
                await _Client(socket, chromium, downloads).serve()
        except ConnectionError as e:
            if not socket.prepared:
                raise start_failed(str(e)) from e
        finally:
            self._clients -= 1
        return socket

    async def _endpoint(self) -> str:
        try:
            return (await self._browser.session()).endpoint
        except PartFailed as e:
            raise start_failed(str(e)) from e


class _Client:
    """One program."""

    def __init__(
        self, socket: web.WebSocketResponse, chromium: aiohttp.ClientWebSocketResponse, downloads: Downloads
    ) -> None:
        self._socket = socket
        self._chromium = chromium
        self._downloads = downloads
        self._news: asyncio.Queue[Message] = asyncio.Queue(QUEUE_MAX)

    async def serve(self) -> None:
        """Return when either side has left; both are closed then."""
        tasks = [
            asyncio.create_task(self._to_chromium(), name="cdp: from a program"),
            asyncio.create_task(self._to_program(), name="cdp: to a program"),
            asyncio.create_task(self._tell(), name="cdp: news of downloads"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._downloads.unlisten(self._note)
            for task in tasks:
                task.cancel()
            for end in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(end, Exception) and not isinstance(end, (ConnectionError, aiohttp.ClientError)):
                    log.error("a program's CDP connection broke", exc_info=end)
        if self._chromium.closed:
            await self._socket.close(code=ENDED, message=b"The browser ended; it is started again.")

    async def _to_chromium(self) -> None:
        async for frame in self._socket:
            if frame.type is not WSMsgType.TEXT:
                continue  # the protocol has no other
            if not (any(sign in frame.data for sign in SIGNS) and await self._handled(frame.data)):
                await self._chromium.send_str(frame.data)

    async def _to_program(self) -> None:
        async for frame in self._chromium:
            if frame.type is WSMsgType.TEXT:
                await self._socket.send_str(frame.data)

    async def _tell(self) -> None:
        while True:
            await self._socket.send_str(json.dumps(await self._news.get()))

    def _note(self, event: str, said: Message) -> None:
        if not self._news.full():
            self._news.put_nowait({"method": event, "params": said})

    async def _handled(self, text: str) -> bool:
        """Answer a message that Chromium must not hear; tell whether it was one."""
        message = _read(text)
        if message is None:  # Chromium is laxer about JSON than we are: it must not understand what we do not
            await self._socket.send_str(json.dumps(UNREADABLE))
            return True
        method, parameters = message.get("method"), message.get("params")
        parameters = parameters if isinstance(parameters, dict) else {}
        answer: Message = {"id": message.get("id"), "result": {}}
        if method == WRAPPING and _is_filtered(parameters.get("message")):
            answer = _refusal(answer, f"{WRAPPING} does not carry this: say it by itself")
        elif not isinstance(method, str) or method not in FILTERED or "id" not in message:
            return False
        elif method in REFUSED:
            answer = _refusal(answer, REFUSED[method])
        elif method == "Browser.setDownloadBehavior":
            answer = await self._set_downloads(answer, parameters)
        if "sessionId" in message:
            answer["sessionId"] = message["sessionId"]
        await self._socket.send_str(json.dumps(answer))
        if method == "Browser.close":
            await self._socket.close()
        return True

    async def _set_downloads(self, answer: Message, wanted: Message) -> Message:
        """Let the program hear of downloads; where they go stays as it is."""
        context = wanted.get("browserContextId")
        try:
            if isinstance(context, str):
                await self._downloads.take(context)
        except CdpError as e:
            return _refusal(answer, str(e))
        (self._downloads.listen if wanted.get("eventsEnabled") else self._downloads.unlisten)(self._note)
        return answer


def _read(text: str) -> Message | None:
    """Read a message; None if it is none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _is_filtered(text: object) -> bool:
    """Tell whether a message within another one, at any depth, is one that Chromium must not hear."""
    while isinstance(text, str):
        if (message := _read(text)) is None:
            return True
        if (method := message.get("method")) != WRAPPING:
            return isinstance(method, str) and method in FILTERED
        parameters = message.get("params")
        text = parameters.get("message") if isinstance(parameters, dict) else None
    return False


def _refusal(answer: Message, why: str) -> Message:
    return {"id": answer["id"], "error": {"code": -32000, "message": why}}
