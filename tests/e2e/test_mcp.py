"""The official MCP client on real sandboxes, over HTTP and over stdio: it lists, calls, and gets an image."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import sys
from collections.abc import Iterator

import httpx
import pytest
from docker_engine import kill
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


async def test_servers_inside_are_back_in_the_place_of_a_dead_sandbox(server: Server) -> None:
    """One that needs a file which went with the dead one waits for it, and keeps nobody from connecting."""
    lease = {"session_id": "mcp-restored", "sandbox_types": ["base"]}
    headers = {"Authorization": f"Bearer {server.key}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as http:

        async def connect() -> str:
            answer = (await http.post("/v1/leases", json=lease)).raise_for_status()
            return str(answer.json()["sandboxes"][0]["sandbox_id"])

        async def write(sandbox: str) -> None:
            target = {"path": "/workspace/small.py"}
            (await http.put(f"/v1/sandboxes/{sandbox}/files/content", params=target, content=SMALL)).raise_for_status()

        first = await connect()
        await write(first)
        servers = {
            "small": {"command": "python3", "args": ["-c", SMALL, "echo"]},
            "filed": {"command": "python3", "args": ["small.py", "late"]},
        }
        added = await http.post(f"/v1/sandboxes/{first}/mcp/servers", json={"mcpServers": servers})
        assert added.status_code == 200, added.text
        await kill(first)
        assert (await http.get(f"/v1/sandboxes/{first}/tools")).status_code == 410
        second = await connect()
        assert second != first
        called = await http.post(f"/v1/sandboxes/{second}/tools/echo", json={"arguments": {"x": 1}})
        assert called.json()["isError"] is False, called.text
        await write(second)
        async with asyncio.timeout(30):  # it is tried again, after pauses of seconds
            late = await http.post(f"/v1/sandboxes/{second}/tools/late", json={"arguments": {}})
            while late.status_code == 404:
                late = await http.post(f"/v1/sandboxes/{second}/tools/late", json={"arguments": {}})
        assert late.json()["isError"] is False, late.text
        await http.delete("/v1/leases", params={"session_id": "mcp-restored"})


async def test_over_stdio_with_a_manager(server: Server) -> None:
    """With a sandbox that the command leases."""
    arguments = ("--type", "base", "--base_url", server.url, "--bearer_token", server.key)
    async with over_stdio(sys.executable, "-m", MODULE, *arguments, env=ENVIRONMENT) as session:
        await _look(session)


async def test_over_stdio_without_a_manager() -> None:
    """With one that runs in the command's own process."""
    async with over_stdio(sys.executable, "-m", MODULE, env=ENVIRONMENT) as session:
        await _look(session)
