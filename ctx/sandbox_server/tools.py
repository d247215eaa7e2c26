"""The routes of the tools: what there is, and calling it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from sandbox_server.arguments import InvalidArgument, check
from sandbox_server.parts import Part, Tool
from sandbox_server.problems import invalid_request, unknown_tool

MAX_TIMEOUT_S = 3600.0


class ToolRoutes:
    """Serves the tools of these parts."""

    def __init__(self, parts: Iterable[Part]) -> None:
        """Collect the tools; two of one name are a bug."""
        self._tools: dict[str, Tool] = {}
        for tool in (tool for part in parts for tool in part.tools()):
            if tool.name in self._tools:
                raise ValueError(f"two tools are called {tool.name}")
            self._tools[tool.name] = tool

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/tools", self.list), web.post("/tools/{name}", self.call)]

    async def list(self, request: web.Request) -> web.Response:
        """Answer with every tool and its schema."""
        fields = ("name", "group", "description", "input_schema")
        return web.json_response({"tools": [{f: getattr(tool, f) for f in fields} for tool in self._tools.values()]})

    async def call(self, request: web.Request) -> web.Response:
        """Run one tool."""
        name = request.match_info["name"]
        tool = self._tools.get(name)
        if tool is None:
            raise unknown_tool(f"this sandbox has no tool {name!r}; there are: {', '.join(sorted(self._tools))}")
        body = await read_object(request)
        try:
            arguments = check(tool.input_schema, _by_name(tool, body.get("arguments", {})))
        except InvalidArgument as e:
            raise invalid_request(f"{name}: {e}") from e
        return web.json_response(await tool.call(arguments, _timeout(body.get("timeout"))))


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


def _by_name(tool: Tool, arguments: Any) -> Any:
    if not isinstance(arguments, dict):
        return arguments  # the check will say so
    return {tool.aliases.get(spelling, spelling): value for spelling, value in arguments.items()}


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and 0 < value <= MAX_TIMEOUT_S):
        raise invalid_request(f"timeout must be a number of seconds above 0 and up to {MAX_TIMEOUT_S:g}, or null")
    return float(value)
