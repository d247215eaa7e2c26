"""What a fake box remembers of its lease."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from aiohttp import web


class FakeLeaseNote:
    """The note, and the routes of it."""

    def __init__(self) -> None:
        self.note = b""

    @property
    def digest(self) -> str:
        """By what it is named."""
        return hashlib.sha256(self.note).hexdigest() if self.note else ""

    def routes(self, generation: Callable[[], int]) -> list[web.RouteDef]:
        """Return them; `generation` says how many leases the box has seen."""

        async def get(request: web.Request) -> web.Response:
            return web.Response(body=self.note, headers=self.headers(generation()))

        async def put(request: web.Request) -> web.Response:
            self.note = await request.read()
            return web.Response(status=204)

        return [web.get("/lease", get), web.put("/lease", put)]

    def headers(self, generation: int) -> dict[str, str]:
        """Return what a heartbeat answers."""
        return {"X-Lease-Note": self.digest, "X-Lease-Generation": str(generation)}
