"""The commands and terminals of a fake box: nothing runs; a command prints itself, a terminal what is typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import WSMsgType, web

from agentscope_runtime.sandbox.errors import CommandNotFound, InvalidRequest

PROGRAM_ENDED = 4001


class FakeCommands:
    """A command has ended when it was started, but `wait`, which ends when its reader leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        """Set when the reader of `wait` has left."""
        self.written = b""
        self._commands: dict[str, dict[str, Any]] = {}
        self._terminals: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, as the real box has them."""
        return [
            web.post("/commands", self._run),
            web.get("/commands", self._list),
            web.get("/commands/{id}", self._get),
            web.delete("/commands/{id}", self._remove),
            web.get("/commands/{id}/output", self._output),
            web.post("/commands/{id}/stdin", self._write),
            web.post("/commands/{id}/signal", self._signal),
            web.post("/terminals", self._open),
            web.get("/terminals", self._list_terminals),
            web.put("/terminals/{id}", self._open),
            web.get("/terminals/{id}", self._get_terminal),
            web.delete("/terminals/{id}", self._end_terminal),
            web.get("/terminals/{id}/socket", self._socket),
        ]

    async def _run(self, request: web.Request) -> web.StreamResponse:
        command = (await request.json()).get("command")
        if not isinstance(command, str):
            raise InvalidRequest("argument 'command' is missing, or no string")
        number = f"cmd-{len(self._commands)}"
        times = {"started_at": 0.0, "ended_at": 0.0}
        info = {"command_id": number, "command": command, "pid": 1, "state": "exited", "exit_code": 0, **times}
        self._commands[number] = info
        if request.query.get("follow") == "true":
            return await self._follow(request, info, 201)
        return web.json_response(info, status=201)

    async def _output(self, request: web.Request) -> web.StreamResponse:
        return await self._follow(request, self._named(request), 200)

    async def _follow(self, request: web.Request, info: Mapping[str, Any], status: int) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        chunk = {"stream": "stdout", "offset": 0, "data": info["command"]}
        await response.write(f"{json.dumps(info)}\n{json.dumps(chunk)}\n".encode())
        if info["command"] == "wait":
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()
        await response.write(b'{"state":"exited","exit_code":0}\n')
        return response

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"commands": list(self._commands.values())})

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._named(request))

    async def _remove(self, request: web.Request) -> web.Response:
        self._commands.pop(request.match_info["id"], None)
        return web.Response(status=204)

    async def _write(self, request: web.Request) -> web.Response:
        self._named(request)
        self.written += await request.read()
        return web.Response(status=204)

    async def _signal(self, request: web.Request) -> web.Response:
        return web.json_response({**self._named(request), "signalled": (await request.json())["signal"]})

    def _named(self, request: web.Request) -> dict[str, Any]:
        if (info := self._commands.get(request.match_info["id"])) is None:
            raise CommandNotFound(f"there is no command {request.match_info['id']!r}")
        return info

    async def _open(self, request: web.Request) -> web.Response:
        asked = await request.json()
        name = request.match_info.get("id", f"term-{len(self._terminals)}")
        size = {"columns": asked.get("columns", 80), "rows": asked.get("rows", 24)}
        info = {"terminal_id": name, "state": "running", "pid": 1, "viewers": 0, "started_at": 0.0, **size}
        known = self._terminals.setdefault(name, {**info, "command": asked.get("command")})
        return web.json_response(known, status=200 if request.method == "PUT" else 201)

    async def _list_terminals(self, request: web.Request) -> web.Response:
        return web.json_response({"terminals": list(self._terminals.values())})

    async def _get_terminal(self, request: web.Request) -> web.Response:
        return web.json_response(self._terminal(request))

    async def _end_terminal(self, request: web.Request) -> web.Response:
        self._terminals.pop(request.match_info["id"], None)
        return web.Response(status=204)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        """Greet, repeat what is typed, tell what else is said as text; ^D ends it."""
        info = self._terminal(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(json.dumps({"columns": info["columns"], "rows": info["rows"]}))
        await socket.send_bytes(b"ready$ ")
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_bytes(f"<{message.data}>".encode())
            elif message.data == b"\x04":
                await socket.close(code=PROGRAM_ENDED, message=b"The program has ended (exit code 0).")
            else:
                await socket.send_bytes(message.data)
        return socket

    def _terminal(self, request: web.Request) -> dict[str, Any]:
        if (info := self._terminals.get(request.match_info["id"])) is None:
            raise CommandNotFound(f"there is no terminal {request.match_info['id']!r}")
        return info
