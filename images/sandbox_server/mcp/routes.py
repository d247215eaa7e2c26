"""The routes of a box's MCP servers: adding them, how they are, removing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox_server.mcp.configs import InvalidServer
from sandbox_server.mcp.server import ServerFailed
from sandbox_server.problems import Problem, invalid_request
from sandbox_server.tools import read_object

if TYPE_CHECKING:
    from sandbox_server.mcp.hub import McpHub


def routes(hub: McpHub) -> Sequence[web.RouteDef]:
    """Return the routes over this hub."""

    async def add(request: web.Request) -> web.Response:
        """Start servers; answers when they work."""
        body = await read_object(request)
        overwrite = body.get("overwrite", False)
        if not isinstance(overwrite, bool):
            raise invalid_request("overwrite is neither true nor false")
        try:
            return web.json_response({"servers": await hub.add(body.get("mcpServers"), overwrite=overwrite)})
        except InvalidServer as e:
            raise invalid_request(str(e)) from e
        except ServerFailed as e:
            raise Problem(424, "mcp_server_failed", "MCP server failed", str(e)) from e

    async def restore(request: web.Request) -> web.Response:
        """Hold servers whether they start or not; answers when that is known of each, or it takes too long."""
        try:
            await hub.restore((await read_object(request)).get("mcpServers"))
        except InvalidServer as e:
            raise invalid_request(str(e)) from e
        return web.json_response({"servers": hub.servers()})

    async def show(request: web.Request) -> web.Response:
        """Answer with all of them."""
        return web.json_response({"servers": hub.servers()})

    async def remove(request: web.Request) -> web.Response:
        """End one; a missing one is fine."""
        await hub.remove(request.match_info["name"])
        return web.Response(status=204)

    return [
        web.post("/mcp/servers", add),
        web.put("/mcp/servers", restore),
        web.get("/mcp/servers", show),
        web.delete("/mcp/servers/{name}", remove),
    ]
