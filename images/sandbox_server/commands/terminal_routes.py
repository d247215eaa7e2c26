"""The routes of the terminals: opening and ending them, and the WebSocket on which they are seen and used.

Binary messages are what the program writes, and keys for it. Text messages are JSON: `{"columns", "rows"}` is the size
of the screen, in both directions; `{"taken"}` tells how many bytes a viewer has dealt with, so that it is sent no more
than it can show. The close code says whether the program has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from sandbox_server.arguments import InvalidArgument, check
from sandbox_server.commands.shell_spec import ENVIRONMENT
from sandbox_server.commands.terminal import Size, Terminal, Wish
from sandbox_server.commands.terminal_screen import Viewer
from sandbox_server.commands.terminal_shelf import TerminalShelf
from sandbox_server.problems import invalid_request
from sandbox_server.tools import read_object

PROGRAM_ENDED = 4001  # 4000 and above are ours by the standard; the page explains it
NOT_READ = 4002
MESSAGE_MAX = 1 << 20
HEARTBEAT_S = 20.0
LOOK_S = 10.0

_COLUMNS = {"type": "integer", "minimum": 2, "maximum": 1000, "description": "Of the screen; 80 if nothing is said."}
_ROWS = {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Of the screen; 24 if nothing is said."}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "columns": _COLUMNS,
        "rows": _ROWS,
        "cwd": {"type": ["string", "null"], "description": "The folder; relative ones start at /workspace."},
        "environment": {**ENVIRONMENT, "type": ["object", "null"]},
        "command": {"type": ["string", "null"], "description": "For bash; an interactive bash if nothing is said."},
    },
    "additionalProperties": False,
}
SAID: dict[str, Any] = {
    "type": "object",
    "properties": {"columns": _COLUMNS, "rows": _ROWS, "taken": {"type": "integer", "minimum": 0}},
    "additionalProperties": False,
}


class TerminalRoutes:
    """Serves the terminals of one sandbox."""

    def __init__(self, terminals: TerminalShelf) -> None:
        """Serve these."""
        self._terminals = terminals

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = "/terminals/{terminal_id}"
        return [
            web.post("/terminals", self.start),
            web.get("/terminals", self.list),
            web.put(one, self.ensure),
            web.get(one, self.get),
            web.delete(one, self.remove),
            web.get(one + "/socket", self.socket),
        ]

    async def start(self, request: web.Request) -> web.Response:
        """Start a terminal."""
        terminal = await self._terminals.open(_wish(await read_object(request)))
        return web.json_response(terminal.described(), status=201)

    async def ensure(self, request: web.Request) -> web.Response:
        """Return the terminal of this id; start it if none of that id runs."""
        wish = _wish(await read_object(request))
        terminal = await self._terminals.open(wish, request.match_info["terminal_id"])
        return web.json_response(terminal.described())

    async def list(self, request: web.Request) -> web.Response:
        """List those that run, and those that ended and are remembered."""
        return web.json_response({"terminals": [terminal.described() for terminal in self._terminals.all()]})

    async def get(self, request: web.Request) -> web.Response:
        """Describe one."""
        return web.json_response(self._named(request).described())

    async def remove(self, request: web.Request) -> web.Response:
        """End one with all that it started, and forget it."""
        await self._terminals.remove(request.match_info["terminal_id"])
        return web.Response(status=204)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Show one, and let it be used."""
        terminal = self._named(request)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_MAX, compress=False)
        await socket.prepare(request)
        with terminal.screen.viewed() as viewer:
            showing = asyncio.create_task(_show(socket, terminal, viewer), name="terminal: to viewer")
            try:
                await _hear(socket, terminal, viewer)
            finally:
                if terminal.ended_at is None or viewer.unsent:  # else it is saying so
                    showing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await showing
        return socket

    def _named(self, request: web.Request) -> Terminal:
        return self._terminals.get(request.match_info["terminal_id"])


async def _show(socket: web.WebSocketResponse, terminal: Terminal, viewer: Viewer) -> None:
    """Send what the terminal shows until its program has ended, then say so."""
    told: Size | None = None
    try:
        while True:
            if told != terminal.size:
                told = terminal.size
                await socket.send_str(json.dumps({"columns": told.columns, "rows": told.rows}))
            if data := viewer.next():
                await socket.send_bytes(data)
                viewer.sent()
            elif terminal.ended_at is not None and not viewer.unsent:
                reason = f"The program has ended (exit code {terminal.exit_code})."
                await socket.close(code=PROGRAM_ENDED, message=reason.encode())
                return
            else:
                await terminal.screen.change(LOOK_S)
    except ConnectionError:
        return  # it left; `_hear` knows


async def _hear(socket: web.WebSocketResponse, terminal: Terminal, viewer: Viewer) -> None:
    """Pass on what a viewer types, until it leaves or says what makes no sense."""
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            if not terminal.write(message.data):
                await socket.close(code=NOT_READ, message=b"The program does not read what is typed.")
        elif message.type is WSMsgType.TEXT:
            try:
                said = check(SAID, json.loads(message.data))
            except (ValueError, RecursionError, InvalidArgument) as e:
                reason = f"No size of a screen: {e}".encode()[:120].decode(errors="ignore")
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=reason.encode())
                return
            _note(terminal, viewer, said)


def _note(terminal: Terminal, viewer: Viewer, said: Mapping[str, Any]) -> None:
    if "taken" in said:
        viewer.confirm(int(said["taken"]))
    if "columns" in said or "rows" in said:
        size = terminal.size
        terminal.resize(Size(int(said.get("columns", size.columns)), int(said.get("rows", size.rows))))


def _wish(body: Mapping[str, Any]) -> Wish:
    try:
        body = check(SCHEMA, body)
    except InvalidArgument as e:
        raise invalid_request(str(e)) from e
    size = Size(int(body.get("columns", 80)), int(body.get("rows", 24)))
    return Wish(size, body.get("command"), body.get("cwd"), body.get("environment"))
