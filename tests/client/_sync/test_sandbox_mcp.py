# Made by scripts/unasync.py from tests/client/_async/test_sandbox_mcp.py. Do not edit: change that one and run `make unasync`.
"""MCP servers inside of real sandboxes, as a user adds, calls and removes them."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_servers import SMALL

from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import InvalidRequest, McpServerFailed

pytestmark = pytest.mark.docker

SERVERS = {"mcpServers": {"small": {"command": "python3", "args": ["-c", SMALL, "echo,run_ipython_cell"]}}}


def test_a_server_inside() -> None:
    """Its tools are listed under its name, called like all others, and gone with it."""
    with BaseSandbox() as box:
        (added,) = box.add_mcp_servers(SERVERS)
        assert (added["name"], added["state"], added["tools"]) == ("small", "running", ["echo", "run_ipython_cell"])
        listed = box.list_tools()
        assert set(listed["small"]) == {"echo", "small__run_ipython_cell"}
        assert listed["small"]["echo"]["json_schema"]["function"]["description"] == "Does echo"
        result = box.call_tool("echo", {"x": "ü"})
        assert result["structuredContent"]["arguments"] == {"x": "ü"}
        assert (box.run_ipython_cell("1"))["isError"] is False
        (server,) = box.list_mcp_servers()
        assert (server["state"], server["restarts"]) == ("running", 0)
        box.remove_mcp_server("small")
        assert box.list_mcp_servers() == []
        assert "small" not in box.list_tools()


def test_a_sandbox_that_comes_with_servers() -> None:
    """They are there when it is; one that does not start keeps it from starting, and nothing stays behind."""
    with BaseSandbox(mcp_servers=SERVERS) as box:
        assert set(box.list_tools("small")) == {"small"}
        assert (box.call_tool("echo", {}))["isError"] is False
    with pytest.raises(McpServerFailed, match="was not found"):
        with BaseSandbox(mcp_servers={"bad": {"command": "no-such-program"}}):
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
def test_what_is_wrong_is_a_typed_error(servers: Any, overwrite: bool, error: type[Exception], told: str) -> None:
    """At once, with the name of the server and its last words."""
    with BaseSandbox() as box:
        with pytest.raises(error, match=told):
            box.add_mcp_servers(servers, overwrite=overwrite)
        with pytest.raises(InvalidRequest, match="empty"):
            box.remove_mcp_server("")
