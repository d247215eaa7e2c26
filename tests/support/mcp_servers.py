"""MCP servers for tests of the hub: commands that behave as told, and official ones that listen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from mcp.server.fastmcp import FastMCP, Image

from sandbox_server.land.namespaces import entrance
from sandbox_server.land.userland import UserLand

SMALL = r"""
import json, os, sys, time
names = sys.argv[1].split(",") if len(sys.argv) > 1 else ["echo"]
print("a line that is no message", flush=True)
def send(**members): print(json.dumps({"jsonrpc": "2.0", **members}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    method, number, params = m.get("method"), m.get("id"), m.get("params", {})
    if number is None or method is None: continue
    if method == "initialize":
        send(id=number, result={"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "small", "version": "1"}})
    elif method == "tools/list":
        tools = [{"name": n, "description": "Does " + n, "inputSchema": {"type": "object"}} for n in names]
        if names == ["deep"]: tools[0]["inputSchema"]["properties"] = json.loads('{"a":' * 300 + "{}" + "}" * 300)
        first = "cursor" not in params
        send(id=number, result={"tools": tools[:1] if first else tools[1:], **({"nextCursor": "2"} if first else {})})
    elif params["name"] == "die":
        print("I was told to", file=sys.stderr, flush=True)
        os._exit(3)
    elif params["name"] == "hang":
        pass
    elif params["name"] == "grow":
        names.append("grown")
        send(method="notifications/tools/list_changed")
        send(id=number, result={"content": []})
    elif params["name"] == "nonsense":
        send(id=number, result={"content": "no list"})
    elif params["name"] == "refuse":
        send(id=number, error={"code": -32602, "message": "I will not"})
    elif params["name"] == "pester":
        for _ in range(200_000): sys.stdout.write("\n")
        for n in range(5_000): send(id="q%d" % n, method="sampling/createMessage", params={})
        send(id=number, result={"content": []})
    elif params["name"] == "swamp":
        for n in range(40): send(id="q" * (6 << 20), method="ping")
        for n in range(2_000): send(id="q%d" % n, method="m" * 4096)
        time.sleep(2)  # reads nothing meanwhile
        send(id=number, result={"content": []})
    elif params["name"] == "half":
        send(id=number, result={"content": [{"type": "text", "text": "\ud800"}]})
    elif params["name"] == "flood":
        sys.stdout.write("x" * (17 << 20)); sys.stdout.flush()
    else:
        told = {"pid": os.getpid(), "cwd": os.getcwd(), "env": os.environ.get("TOLD"), "arguments": params["arguments"]}
        send(id=number, result={"content": [{"type": "text", "text": json.dumps(told)}], "structuredContent": told})
"""
"""A server that is there in milliseconds: `python -c SMALL tool,tool`; the names of some tools say what they do."""


class OpenLand:
    """A user land without walls: commands run as they are, in the process tree of the test."""

    async def command(self, argv: list[str]) -> list[str]:
        """Return a command that runs `argv` with the environment of `entrance`."""
        return ["sh", "-c", 'eval "$BOX_EXPORT"; unset BOX_EXPORT; exec "$@"', "sh", *argv]

    def environment(self) -> dict[str, str]:
        """Return the environment of users' programs."""
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

    def entrance(self) -> dict[str, str]:
        """Return the environment to start a command with."""
        return entrance(self.environment())


def open_land() -> UserLand:
    """Return an open land where a real one is wanted."""
    return cast(UserLand, OpenLand())


def small(*tools: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of the small server with these tools."""
    return {"command": sys.executable, "args": ["-c", SMALL, ",".join(tools or ("echo",))], **more}


def official() -> FastMCP:
    """Make a server of the official package."""
    server = FastMCP("official", log_level="ERROR")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def draw() -> Image:
        """Draw a dot."""
        return Image(data=b"a picture", format="png")

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ValueError("this never works")

    return server


@asynccontextmanager
async def listening(app: Callable[..., Any], port: int = 0) -> AsyncIterator[int]:
    """Serve an application on loopback while the block runs; yields its port."""
    config = uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving
