"""The routes of the commands: running them, their output as NDJSON while it comes, their input, their end."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import math
import signal
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox_server.arguments import InvalidArgument, check
from sandbox_server.commands.command import Command, Wish
from sandbox_server.commands.output import Chunk
from sandbox_server.commands.program import Order
from sandbox_server.commands.shelf import CommandShelf
from sandbox_server.commands.shell_spec import ENVIRONMENT
from sandbox_server.problems import invalid_request
from sandbox_server.tools import read_object

MEDIA_TYPE = "application/x-ndjson"
FOREGROUND_TIMEOUT_S = 60.0
TIMEOUT_MAX_S = 86_400.0
WAIT_MAX_S = 60.0
LOOK_S = 0.25
"""How often a quiet stream looks whether its reader is still there."""
PULSE_S = 10.0
"""After so much silence an empty line is sent, so that both sides learn when the connection is dead."""
SIGNALS = ("HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "TSTP", "WINCH")

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "description": "The command line, for bash."},
        "cwd": {"type": ["string", "null"], "description": "The folder to run in; relative ones start at /workspace."},
        "environment": {**ENVIRONMENT, "type": ["object", "null"]},
        "timeout": {"type": ["number", "null"], "description": "Seconds, then it is killed with its children."},
        "stdin": {"type": "boolean", "description": "Whether it can be written to while it runs."},
        "input": {"type": ["string", "null"], "description": "What it finds on its stdin."},
        "input_base64": {"type": ["string", "null"], "description": "The same, as base64, where it is no text."},
        "background": {"type": "boolean", "description": "Whether it runs on when nobody follows its output."},
    },
    "required": ["command"],
    "additionalProperties": False,
}


class CommandRoutes:
    """Serves the commands of one sandbox."""

    def __init__(self, commands: CommandShelf) -> None:
        """Serve these."""
        self._commands = commands

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = "/commands/{command_id}"
        return [
            web.post("/commands", self.run),
            web.get("/commands", self.list),
            web.get(one, self.get),
            web.delete(one, self.remove),
            web.get(one + "/output", self.output, allow_head=False),
            web.post(one + "/stdin", self.write),
            web.post(one + "/signal", self.signal),
        ]

    async def run(self, request: web.Request) -> web.StreamResponse:
        """Start a command; with `follow` the answer is its output."""
        try:
            body = check(SCHEMA, await read_object(request))
        except InvalidArgument as e:
            raise invalid_request(str(e)) from e
        follow = _flag(request, "follow")
        command = await self._commands.run(_wish(body))
        if follow:
            return await _follow(request, command, 0, 201)
        return web.json_response(command.described(), status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List those that run, and those that ended and are remembered."""
        return web.json_response({"commands": [command.described() for command in self._commands.all()]})

    async def get(self, request: web.Request) -> web.Response:
        """Describe one, after waiting `?wait=` seconds for its end."""
        command, wait = self._named(request), request.query.get("wait", "0")
        try:
            seconds = float(wait)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds <= WAIT_MAX_S:
            raise invalid_request(f"wait must be a number of seconds from 0 to {WAIT_MAX_S:g}, not {wait!r}")
        await command.ended(seconds)
        return web.json_response(command.described())

    async def remove(self, request: web.Request) -> web.Response:
        """Kill one with all that it started, and forget it."""
        await self._commands.remove(request.match_info["command_id"])
        return web.Response(status=204)

    async def output(self, request: web.Request) -> web.StreamResponse:
        """Give what is kept of its output from a position on; with `follow` also what comes, until its end."""
        command = self._named(request)
        position = request.query.get("from", "0")
        if not (position.isascii() and position.isdigit() and len(position) < 19):
            raise invalid_request(f"from must be a whole number of bytes, not {position!r}")
        start = min(int(position), command.output.total)
        if _flag(request, "follow"):
            return await _follow(request, command, start, 200)
        return await _so_far(request, command, start)

    async def write(self, request: web.Request) -> web.Response:
        """Write the body to its stdin as it comes; `end=true` closes that afterwards."""
        command, end = self._named(request), _flag(request, "end")
        taken = False
        async for data in request.content.iter_any():
            await command.write(data, end=False)
            taken = True
        if not taken:
            await command.write(b"", end=end)
        elif end:
            command.end_input()  # it may have ended by what it was just told, which is no failure
        return web.Response(status=204)

    async def signal(self, request: web.Request) -> web.Response:
        """Send it a signal."""
        name = (await read_object(request)).get("signal")
        plain = name.upper().removeprefix("SIG") if isinstance(name, str) else ""
        if plain not in SIGNALS:
            raise invalid_request(f"signal is {name!r}; it can be one of {', '.join(SIGNALS)}")
        command = self._named(request)
        command.signal(signal.Signals[f"SIG{plain}"])
        return web.json_response(command.described())

    def _named(self, request: web.Request) -> Command:
        return self._commands.get(request.match_info["command_id"])


def _wish(body: Mapping[str, Any]) -> Wish:
    background = bool(body.get("background"))
    command = body["command"]
    return Wish(
        command,
        Order(["/bin/bash", "-c", command], body.get("cwd"), body.get("environment") or {}),
        _timeout(body.get("timeout"), background),
        background,
        bool(body.get("stdin")),
        _input(body),
    )


def _timeout(value: float | None, background: bool) -> float | None:
    if value is None:
        return None if background else FOREGROUND_TIMEOUT_S
    if not (math.isfinite(value) and 0 < value <= TIMEOUT_MAX_S):
        raise invalid_request(f"timeout must be a number of seconds above 0 and up to {TIMEOUT_MAX_S:g}, or null")
    return float(value)


def _input(body: Mapping[str, Any]) -> bytes:
    text, encoded = body.get("input"), body.get("input_base64")
    if text is not None and encoded is not None:
        raise invalid_request("input and input_base64 are two spellings of one thing; give one of them")
    if encoded is None:
        return (text or "").encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as e:
        raise invalid_request(f"input_base64 is not base64: {e}") from e


def _flag(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise invalid_request(f"{name} must be true or false, not {value!r}")
    return value in ("true", "1")


async def _follow(request: web.Request, command: Command, position: int, status: int) -> web.StreamResponse:
    """Stream what it writes until it has ended, or the reader has left."""
    with command.followed(position) as reader:
        response = await _begin(request, command, status)
        quiet = 0.0
        while (chunks := await reader.next(LOOK_S)) is not None:
            if request.transport is None or request.transport.is_closing():
                return response
            quiet = 0.0 if chunks else quiet + LOOK_S
            if chunks:
                await response.write(_lines(chunks, reader.position))
            elif quiet >= PULSE_S:
                quiet = 0.0
                await response.write(b"\n")
        await response.write(_line(command.ending()))
    await response.write_eof()
    return response


async def _so_far(request: web.Request, command: Command, position: int) -> web.StreamResponse:
    response = await _begin(request, command, 200)
    end = command.output.total
    while position < end and (chunks := command.output.since(position)):
        await response.write(_lines(chunks, position))
        position = chunks[-1].end
    if command.ended_at is not None:
        await response.write(_line(command.ending()))
    await response.write_eof()
    return response


async def _begin(request: web.Request, command: Command, status: int) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"})
    await response.prepare(request)
    await response.write(_line(command.described()))  # at once: nobody shall have to wait for the first output
    return response


def _lines(chunks: list[Chunk], position: int) -> bytes:
    """Write chunks as lines; where something between two was not kept, a line says how much."""
    lines = bytearray()
    for chunk in chunks:
        if chunk.offset > position:
            lines += _line({"offset": position, "skipped": chunk.offset - position})
        lines += _line({"stream": chunk.stream, "offset": chunk.offset, **_data(chunk.data)})
        position = chunk.end
    return bytes(lines)


def _data(data: bytes) -> dict[str, str]:
    # As text, a zero byte would become six.
    with contextlib.suppress(UnicodeDecodeError):  # or a character continues in the next chunk
        if b"\0" not in data:
            return {"data": data.decode()}
    return {"binary": base64.b64encode(data).decode()}


def _line(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
