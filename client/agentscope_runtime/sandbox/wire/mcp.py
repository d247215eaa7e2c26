"""MCP servers that run in a sandbox."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from agentscope_runtime.sandbox.wire.base import Request, Wire


class McpServersRequest(Request):
    """Body of `POST /v1/sandboxes/{id}/mcp/servers`."""

    mcpServers: dict[str, dict[str, Any]] = Field(min_length=1)  # as MCP clients spell it
    """Configurations by name, as MCP clients have them: `command`, or `url`, and what belongs to it."""
    overwrite: bool = False
    """Whether a server whose name is taken replaces the other one; else it is passed over."""


class McpServerInfo(Wire):
    """One MCP server of a sandbox."""

    name: str
    state: str
    """`starting`, `running`, `restarting` or `stopped`."""
    reason: str = ""
    """Why it is not running, with the end of what it said."""
    restarts: int = 0
    """How often it was lost since it was added."""
    tools: list[str] = Field(default_factory=list)
    """Its tools, by its own names for them."""


class McpServerList(Wire):
    """Answer of `GET` and `POST /v1/sandboxes/{id}/mcp/servers`."""

    servers: list[McpServerInfo]
