"""What a workspace begins with: a tar stream that fills it once, however often and by whomever that is asked for.

The box remembers that it was filled, since managers may forget, or die on the way; what its user made since is safe.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from sandbox_server.files.answering import answering
from sandbox_server.files.archives import BUFFER, ArchiveRoutes

ROOT = "."


class OriginRoutes:
    """Serves the beginning of one workspace."""

    def __init__(self, archives: ArchiveRoutes) -> None:
        """Fill the workspace of these."""
        self._archives = archives
        self._turn = asyncio.Lock()
        self._filled = False

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/files/origin", self.read, allow_head=False),
            web.put("/files/origin", answering(self.fill)),
        ]

    async def read(self, request: web.Request) -> web.Response:
        """Tell whether the workspace was filled; one who asks while that goes on waits for it."""
        async with self._turn:
            return web.json_response({"filled": self._filled})

    async def fill(self, request: web.Request) -> web.Response:
        """Unpack a stream, all of it or nothing, unless the workspace was filled before."""
        async with self._turn:
            if self._filled:
                while await request.content.read(BUFFER):  # whoever sends it would take a closed door for our death
                    pass
            else:
                await self._archives.unpack(ROOT, request)
                self._filled = True
        return web.json_response({"filled": True})
