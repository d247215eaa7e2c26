"""The part that runs the tools which an image brings: each call is a process of the user land.

It reads its arguments as one JSON object from standard input. What it prints is the result; an exit code other than 0
makes that an error, and adds what it wrote to standard error. So a tool is written in any language, has no more rights
than users' own code has, and cannot harm the box. What must remember something between two calls keeps it in a file,
or is an MCP server.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from sandbox_server.land.one_shot import OneShot, Outcome
from sandbox_server.land.userland import UserLand
from sandbox_server.own.tool_files import ImageTool, read_tools
from sandbox_server.parts import Arguments, Result, Tool, result, text


class ImageTools:
    """Runs the tools of the image that this box was made of."""

    name = "image tools"

    def __init__(self, userland: UserLand, group: str) -> None:
        """Read the image's tools, and run them in this land; raise ConfigError where they are wrong."""
        self._userland = userland
        self._runs = OneShot(userland, "tool")
        self._tools = read_tools(group)

    async def start(self) -> None:
        """Do nothing: every call is a process of its own."""

    async def ready(self) -> None:
        """Return once they can run."""
        await self._userland.ready()

    def tools(self) -> Sequence[Tool]:
        """Return the image's tools."""
        return [tool.spec.tool(partial(self._call, tool)) for tool in self._tools]

    async def close(self) -> None:
        """Do nothing: calls end with their land."""

    def log_tail(self) -> str:
        """Return nothing: what tools print is in their results."""
        return ""

    async def _call(self, tool: ImageTool, arguments: Arguments, timeout_s: float | None) -> Result:
        given = json.dumps({**tool.defaults, **arguments}, ensure_ascii=False).encode()
        limit = tool.timeout_s if timeout_s is None else timeout_s
        done = await self._runs.run(tool.command, limit, given=given)
        return answer(tool, done)


def answer(tool: ImageTool, done: Outcome) -> Result:
    """Make a result of what a tool printed."""
    if done.code != 0:
        said = [text(part) for part in (done.stdout, done.stderr) if part]
        return result(*(said or [text(f"{tool.spec.name} ended with exit code {done.code}")]), is_error=True)
    if tool.output == "text":
        return result(text(done.stdout))
    try:
        return _read(done.stdout)
    except (ValueError, RecursionError) as e:
        return result(text(f"{tool.spec.name} did not print a result: {e}"), is_error=True)


def _read(printed: str) -> Result:
    """Read a result of MCP: `{"content": [{"type": "text", "text": …}, …], "isError": false}`."""
    given: Any = json.loads(printed)
    content = given.get("content") if isinstance(given, dict) else None
    if not isinstance(content, list) or not all(isinstance(item, dict) and "type" in item for item in content):
        raise ValueError('it is not a JSON object with a list "content" of items that have a type')
    more = {"structuredContent": given["structuredContent"]} if "structuredContent" in given else {}
    return {**result(*content, is_error=given.get("isError") is True), **more}
