"""`/v1/sandboxes/{id}/mcp/servers`: MCP servers that run in a sandbox, whose tools are beside its own.

Not here: the sandbox itself as an MCP server (`mcp`), and what a configuration may say, which the box checks.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox_manager.api.gateway import Ask, pool_of, relay
from agentscope_runtime.sandbox_manager.api.tools import JSON, LONGEST

router = APIRouter(prefix="/v1/sandboxes/{sandbox_id}/mcp/servers", tags=["mcp"])

PATH = "/mcp/servers"


@router.post(
    "",
    response_model=wire.McpServerList,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": wire.McpServersRequest.model_json_schema()}},
        }
    },
)
async def add_servers(sandbox_id: str, request: Request) -> Response:
    """Start MCP servers, all of them or none; answers when they work, or says why one does not."""
    body = await request.body()
    answer = await relay(request, sandbox_id, Ask("POST", PATH, data=body, headers=JSON, timeout=LONGEST))
    added = json.loads(body)  # the box took it, so it is what it should be
    servers, overwrite = _unwrapped(added["mcpServers"]), added.get("overwrite", False)
    await pool_of(request).store.change_mcp_servers(sandbox_id, servers, overwrite=overwrite)
    return answer


@router.get("", response_model=wire.McpServerList)
async def list_servers(sandbox_id: str, request: Request) -> Response:
    """Say how the MCP servers of a sandbox are."""
    return await relay(request, sandbox_id, Ask("GET", PATH, timeout=30))


@router.delete("/{name}", status_code=204)
async def remove_server(sandbox_id: str, name: str, request: Request) -> Response:
    """End an MCP server, and forget it; a missing one is fine."""
    if name in (".", ".."):  # a URL would fold them away
        raise InvalidRequest(f"{name!r} is the name of no server")
    answer = await relay(request, sandbox_id, Ask("DELETE", f"{PATH}/{quote(name, safe='')}", timeout=30))
    await pool_of(request).store.change_mcp_servers(sandbox_id, {}, removed=name)
    return answer


def _unwrapped(servers: dict[str, Any]) -> dict[str, Any]:
    """Return the servers by name: boxes take a whole configuration, too, as MCP clients have it in a file."""
    inner = servers.get("mcpServers")
    return inner if isinstance(inner, dict) else servers
