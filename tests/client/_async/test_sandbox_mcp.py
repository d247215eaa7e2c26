"""MCP servers inside of real sandboxes, as a user adds, calls and removes them."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_servers import SMALL

from agentscope_runtime.sandbox import BaseSandboxAsync
from agentscope_runtime.sandbox.errors import InvalidRequest, McpServerFailed

pytestmark = pytest.mark.docker

SERVERS = {"mcpServers": {"small": {"command": "python3", "args": ["-c", SMALL, "echo,run_ipython_cell"]}}}


async def test_a_server_inside() -> None:
    """Its tools are listed under its name, called like all others, and gone with it."""
    async with BaseSandboxAsync() as box:
        (added,) = await box.add_mcp_servers_async(SERVERS)
        assert (added["name"], added["state"], added["tools"]) == ("small", "running", ["echo", "run_ipython_cell"])
        listed = await box.list_tools_async()
        assert set(listed["small"]) == {"echo", "small__run_ipython_cell"}
        assert listed["small"]["echo"]["json_schema"]["function"]["description"] == "Does echo"
        result = await box.call_tool_async("echo", {"x": "ü"})
        assert result["structuredContent"]["arguments"] == {"x": "ü"}
        assert (await box.run_ipython_cell("1"))["isError"] is False
        (server,) = await box.list_mcp_servers_async()
        assert (server["state"], server["restarts"]) == ("running", 0)
        await box.remove_mcp_server_async("small")
        assert await box.list_mcp_servers_async() == []
        assert "small" not in await box.list_tools_async()


async def test_a_sandbox_that_comes_with_servers() -> None:
    """They are there when it is; one that does not start keeps it from starting, and nothing stays behind."""
    async with BaseSandboxAsync(mcp_servers=SERVERS) as box:
        assert set(await box.list_tools_async("small")) == {"small"}
        assert (await box.call_tool_async("echo", {}))["isError"] is False
    with pytest.raises(McpServerFailed, match="was not found"):
        async with BaseSandboxAsync(mcp_servers={"bad": {"command": "no-such-program"}}):
            raise AssertionError("it started")


@pytest.mark.parametrize(
    ("servers", "overwrite", "error", "told"),
    [
        ({}, False, InvalidRequest, "mcpServers"),
        ([], False, InvalidRequest, "mcpServers"),
        ({"mcpServers": {}}, False, InvalidRequest, "mcpServers"),
        ({"bad": {"command": ""}}, False, InvalidRequest, "'bad'"),
        ({"bad": {"command": "no-such-program"}}, True, McpServerFailed, "'no-such-program' was not found"),
        ({"bad": {"command": "sh", "args": ["-c", "echo ouch >&2"]}}, False, McpServerFailed, "ouch"),
    ],
    ids=range(6),
)
async def test_what_is_wrong_is_a_typed_error(servers: Any, overwrite: bool, error: type[Exception], told: str) -> None:
    """At once, with the name of the server and its last words."""
    async with BaseSandboxAsync() as box:
        with pytest.raises(error, match=told):
            await box.add_mcp_servers_async(servers, overwrite=overwrite)
        with pytest.raises(InvalidRequest, match="empty"):
            await box.remove_mcp_server_async("")
