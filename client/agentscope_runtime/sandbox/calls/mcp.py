"""Sandboxes as MCP servers, and MCP servers inside of sandboxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import JSON, Call, at, json_call, nothing
from agentscope_runtime.sandbox.errors import InvalidRequest

LONGEST = 3600.0
"""Seconds: tools and servers have their own time-outs, so this only ends what would hang."""


def mcp_message(sandbox_id: str, body: bytes) -> Call[bytes]:
    """Pass on one message of an MCP client; the answer is another one, or nothing."""
    what = f"pass an MCP message to {sandbox_id}"
    # On a pipe there is no status beside an answer.
    return Call(what, "POST", at(sandbox_id, "mcp") + "?stdio=true", bytes, body, JSON, LONGEST, idempotent=False)


def add_mcp_servers(
    sandbox_id: str, server_configs: Mapping[str, Any], overwrite: bool = False
) -> Call[wire.McpServerList]:
    """Start MCP servers in a sandbox; the answer comes when they work."""
    given = server_configs.get("mcpServers", server_configs) if isinstance(server_configs, Mapping) else None
    if not isinstance(given, Mapping) or not given:
        raise InvalidRequest('server_configs is no object such as {"mcpServers": {"time": {"command": "uvx", …}}}')
    body = {"mcpServers": given, "overwrite": overwrite}
    what = f"add the MCP servers {', '.join(map(str, given))} to {sandbox_id}"
    call = json_call(what, "POST", at(sandbox_id, "mcp", "servers"), body, wire.McpServerList)
    return replace(call, timeout=LONGEST, idempotent=False)


def list_mcp_servers(sandbox_id: str) -> Call[wire.McpServerList]:
    """Ask how the MCP servers of a sandbox are."""
    what = f"list the MCP servers of {sandbox_id}"
    return Call(what, "GET", at(sandbox_id, "mcp", "servers"), wire.McpServerList.model_validate_json)


def remove_mcp_server(sandbox_id: str, name: str) -> Call[None]:
    """End an MCP server of a sandbox; a missing one is fine."""
    if not name:
        raise InvalidRequest("the server's name is empty; list_mcp_servers() has the names")
    return Call(
        f"remove MCP server {name!r} of {sandbox_id}", "DELETE", at(sandbox_id, "mcp", "servers", name), nothing
    )
