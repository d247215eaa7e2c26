"""The browser of a fake box: says who it is, answers programs with their own words, and keeps a profile."""

from __future__ import annotations

from typing import Any

from aiohttp import WSMsgType, web


class FakeBrowser:
    """One browser."""

    def __init__(self) -> None:
        self.profile: dict[str, Any] = {"cookies": [], "origins": []}
        """What it knows of its user; a test may change it, as a visit to a site does."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the box's server that are its own."""
        return [
            web.get("/cdp/version", self._version),
            web.get("/cdp", self._cdp),
            web.get("/browser/profile", self._get_profile),
            web.put("/browser/profile", self._put_profile),
        ]

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"Browser": "Fake/1.0", "Protocol-Version": "1.3"})

    async def _cdp(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_json({"result": message.data})
        return socket

    async def _get_profile(self, request: web.Request) -> web.Response:
        return web.json_response(self.profile)

    async def _put_profile(self, request: web.Request) -> web.Response:
        self.profile = await request.json()
        return web.json_response({"cookies": len(self.profile["cookies"]), "origins": len(self.profile["origins"])})
