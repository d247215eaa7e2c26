"""The routes of the tools: what there is, and calling it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Any

from aiohttp import web

from sandbox_server.arguments import InvalidArgument, check
from sandbox_server.once import HEADER, Once
from sandbox_server.parts import Host, Part, Tool
from sandbox_server.problems import invalid_request, unavailable, unknown_tool

MAX_TIMEOUT_S = 3600.0
LOOK_S = 0.2
"""How often we look whether the caller of a tool is still there."""
CALLER_LEFT = 499


class ToolRoutes:
    """Serves the tools of these parts."""

    def __init__(self, parts: Iterable[Part]) -> None:
        """Collect the tools; two of one name are a bug."""
        parts = tuple(parts)
        self._tools: dict[str, Tool] = {}
        self._hosts = [part for part in parts if isinstance(part, Host)]
        for tool in (tool for part in parts for tool in part.tools()):
            if tool.name in self._tools:
                raise ValueError(f"two tools are called {tool.name}")
            self._tools[tool.name] = tool
        others = {other: tool for tool in self._tools.values() for other in tool.other_names}
        self._called = {**others, **self._tools}
        self._once = Once()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/tools", self.list),
            web.post("/tools/{name}", self.call),
            web.delete("/calls/{key}", self.stop),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Answer with every tool and its schema."""
        hosted = (tool for name, tool in self._hosted().items() if name == tool.name)
        return web.json_response({"tools": [_listed(tool) for tool in (*self._tools.values(), *hosted)]})

    async def call(self, request: web.Request) -> web.Response:
        """Run one tool."""
        name = request.match_info["name"]
        tool = self._called.get(name)
        hosted = {} if tool is not None else self._hosted()
        if tool is None and name not in hosted:
            known = ", ".join(sorted({*self._tools, *(tool.name for tool in hosted.values())}))
            raise unknown_tool(f"this sandbox has no tool {name!r}; there are: {known}")
        body = await read_object(request)
        timeout_s = _timeout(body.get("timeout"))
        if tool is None:
            tool, arguments = hosted[name], _object(name, body.get("arguments", {}))
        else:
            try:
                arguments = check(tool.input_schema, _by_name(tool, body.get("arguments", {})))
            except InvalidArgument as e:
                raise invalid_request(f"{name}: {e}") from e
        if (key := request.headers.get(HEADER)) is None:
            return await _answered(request, _body_of(tool, arguments, timeout_s))
        asked = hashlib.sha256(f"{name}\n".encode() + await request.read()).digest()
        running = self._once.begin(key, asked, partial(_body_of, tool, arguments, timeout_s))
        try:
            return await _told(request, running)
        finally:
            self._once.leave(key)

    async def stop(self, request: web.Request) -> web.Response:
        """Stop a call with a key, whose caller has left for good."""
        return web.json_response({"stopped": self._once.stop(request.match_info["key"])})

    def _hosted(self) -> dict[str, Tool]:
        found: dict[str, Tool] = {}
        for host in self._hosts:
            found |= host.hosted({*self._tools, *found})
        return found


async def _body_of(tool: Tool, arguments: dict[str, Any], timeout_s: float | None) -> bytes:
    return json.dumps(await tool.call(arguments, timeout_s)).encode()


async def _answered(request: web.Request, call: Awaitable[bytes]) -> web.Response:
    """Run a tool for as long as its caller waits; one who has left shall leave nothing running."""
    running = asyncio.ensure_future(call)
    try:
        return await _told(request, running)
    finally:
        if not running.done():
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _told(request: web.Request, running: asyncio.Future[bytes]) -> web.Response:
    """Wait for a call for as long as the connection lasts."""
    while not (await asyncio.wait({running}, timeout=LOOK_S))[0]:
        if request.transport is None or request.transport.is_closing():
            return web.Response(status=CALLER_LEFT)  # to nobody
    if running.cancelled():
        raise unavailable("the call was stopped before its end, because its caller had left")
    return web.Response(body=running.result(), content_type="application/json")


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read a JSON object from the body; an empty body is an empty object."""
    raw = await request.read()
    try:
        body = json.loads(raw or b"{}")
    except ValueError as e:
        raise invalid_request(f"the body is not JSON: {e}") from e
    except RecursionError as e:
        raise invalid_request("the body is JSON that is nested too deeply") from e
    if not isinstance(body, dict):
        raise invalid_request("the body is not a JSON object")
    return body


def _listed(tool: Tool) -> dict[str, Any]:
    fields = ("name", "group", "description", "input_schema")
    listed = {field: getattr(tool, field) for field in fields}
    return listed if tool.output_schema is None else {**listed, "output_schema": tool.output_schema}


def _object(name: str, arguments: Any) -> dict[str, Any]:
    if not isinstance(arguments, dict):
        raise invalid_request(f"{name}: arguments must be an object")
    return arguments


def _by_name(tool: Tool, arguments: Any) -> Any:
    if not isinstance(arguments, dict):
        return arguments  # the check will say so
    return {tool.aliases.get(spelling, spelling): value for spelling, value in arguments.items()}


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value <= MAX_TIMEOUT_S):  # which no NaN is
        raise invalid_request(f"timeout must be a number of seconds above 0 and up to {MAX_TIMEOUT_S:g}, or null")
    return float(value)
