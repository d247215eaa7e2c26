"""The MCP servers of a fake box: names and configurations, and nothing that runs; one without a command fails."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agentscope_runtime.sandbox.errors import InvalidRequest, McpServerFailed


class FakeMcpServers:
    """Has none at first."""

    def __init__(self) -> None:
        self.configs: dict[str, Any] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, as the real box has them."""
        return [
            web.get("/mcp/servers", self._list),
            web.post("/mcp/servers", self._add),
            web.put("/mcp/servers", self._restore),
            web.delete("/mcp/servers/{name}", self._remove),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        return _described(self.configs)

    async def _add(self, request: web.Request) -> web.Response:
        body = await request.json()
        servers = body.get("mcpServers") if isinstance(body, dict) else None
        servers = servers.get("mcpServers", servers) if isinstance(servers, dict) else None
        if not isinstance(servers, dict) or not servers:
            raise InvalidRequest("mcpServers is missing, or empty")
        if failed := [name for name, config in servers.items() if not config.get("command")]:
            raise McpServerFailed(f"MCP server {failed[0]!r} did not start: it has no command")
        self.configs = servers | self.configs if not body.get("overwrite") else self.configs | servers
        return _described(servers)

    async def _restore(self, request: web.Request) -> web.Response:
        self.configs = (await request.json())["mcpServers"] | self.configs
        return _described(self.configs)

    async def _remove(self, request: web.Request) -> web.Response:
        self.configs.pop(request.match_info["name"], None)
        return web.Response(status=204)


def _described(servers: dict[str, Any]) -> web.Response:
    return web.json_response({"servers": [{"name": name, "state": "running", "tools": []} for name in servers]})
