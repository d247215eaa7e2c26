"""The official MCP client on real sandboxes, over HTTP and over stdio: it lists, calls, and gets an image."""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Iterator

import pytest
from managers import Server
from mcp import ClientSession
from mcp_client import over_http, over_stdio, plain
from mcp_servers import SMALL
from PIL import Image

from agentscope_runtime.sandbox import BaseSandboxAsync

pytestmark = pytest.mark.docker

MODULE = "agentscope_runtime.sandbox.mcp_server"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a manager with one warm base sandbox."""
    with Server.temporary(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="1") as running:
        yield running


async def _look(session: ClientSession) -> None:
    tools = {tool.name: plain(tool) for tool in (await session.list_tools()).tools}
    assert tools["run_ipython_cell"]["inputSchema"]["properties"]["code"]["type"] == "string"
    counted = plain(await session.call_tool("run_ipython_cell", {"code": "6 * 7"}))
    assert (counted["isError"], counted["content"][0]["text"]) == (False, "Out[1]: 42\n")
    drawn = plain(await session.call_tool("run_ipython_cell", {"code": DRAW}))
    (image,) = (item for item in drawn["content"] if item["type"] == "image")
    picture = Image.open(io.BytesIO(base64.b64decode(image["data"])))
    assert (image["mimeType"], picture.format) == ("image/png", "PNG") and picture.width > 100
    failed = plain(await session.call_tool("run_shell_command", {"command": "echo ü >&2; exit 3"}))
    assert (failed["isError"], failed["content"][-1]["text"]) == (True, "3")


async def test_over_http(server: Server) -> None:
    """At the sandbox's own address, with the manager's key."""
    async with BaseSandboxAsync(base_url=server.url, bearer_token=server.key) as box:
        url = f"{box.base_url}/v1/sandboxes/{box.sandbox_id}/mcp"
        async with over_http(url, {"Authorization": f"Bearer {server.key}"}) as session:
            await _look(session)


async def test_servers_inside_are_seen_from_outside(server: Server) -> None:
    """Two ways of MCP in a row: a client of the sandbox calls a server that runs in it."""
    async with BaseSandboxAsync(base_url=server.url, bearer_token=server.key) as box:
        await box.add_mcp_servers_async({"small": {"command": "python3", "args": ["-c", SMALL, "echo"]}})
        url = f"{box.base_url}/v1/sandboxes/{box.sandbox_id}/mcp"
        async with over_http(url, {"Authorization": f"Bearer {server.key}"}) as session:
            tools = {tool.name: plain(tool) for tool in (await session.list_tools()).tools}
            assert tools["echo"]["_meta"] == {"group": "small"}
            result = plain(await session.call_tool("echo", {"x": "ü"}))
        assert (result["isError"], result["structuredContent"]["arguments"]) == (False, {"x": "ü"})


async def test_over_stdio_with_a_manager(server: Server) -> None:
    """With a sandbox that the command leases."""
    arguments = ("--type", "base", "--base_url", server.url, "--bearer_token", server.key)
    async with over_stdio(sys.executable, "-m", MODULE, *arguments, env=ENVIRONMENT) as session:
        await _look(session)


async def test_over_stdio_without_a_manager() -> None:
    """With one that runs in the command's own process."""
    async with over_stdio(sys.executable, "-m", MODULE, env=ENVIRONMENT) as session:
        await _look(session)
