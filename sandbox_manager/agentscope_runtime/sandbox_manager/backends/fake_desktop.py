"""The desktop of a fake box, as far as it is asked over HTTP: it starts when a viewer is announced, and has a size."""

from __future__ import annotations

from aiohttp import web

from agentscope_runtime.sandbox.errors import StartFailed


class FakeDesktop:
    """Starts at once, or, where `broken` has a reason, never."""

    def __init__(self) -> None:
        self.opened = False
        self.broken = ""
        self.size = {"width": 1280, "height": 800}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, as the real box has them."""
        return [web.post("/desktop", self._open), web.get("/screen", self._screen), web.put("/screen", self._resize)]

    async def _open(self, request: web.Request) -> web.Response:
        if self.broken:
            raise StartFailed(self.broken)
        self.opened = True
        return web.Response(status=204)

    async def _screen(self, request: web.Request) -> web.Response:
        return web.json_response(self.size)

    async def _resize(self, request: web.Request) -> web.Response:
        self.size = await request.json()
        return web.json_response(self.size)
