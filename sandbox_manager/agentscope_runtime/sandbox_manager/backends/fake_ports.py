"""The ports of a box in memory: nothing listens there, because nothing runs there."""

from __future__ import annotations

from aiohttp import web

from agentscope_runtime.sandbox.errors import InvalidRequest, PortFailed

OWN = frozenset({7000, 7001, 9222})


class FakePorts:
    """The routes."""

    def routes(self) -> list[web.RouteDef]:
        """Return them."""
        return [web.get("/ports/{port}", self._get, allow_head=False), web.post("/ports/{port}", self._ask)]

    async def _get(self, request: web.Request) -> web.Response:
        if int(request.match_info["port"]) in OWN:
            raise InvalidRequest(f"port {request.match_info['port']} is one of the sandbox's own; use another")
        if "Upgrade" in request.headers:
            return await self._ask(request)
        return web.Response(status=204)

    async def _ask(self, request: web.Request) -> web.Response:
        raise PortFailed(f"nothing listens on port {request.match_info['port']} in this sandbox")
