"""What the manager wants this box to remember of its lease, in case the managers forget: bytes, kept as they came.

The box does not read them: they are signed, and whoever signed them checks that. They are in this process's memory
only, which users' code cannot reach, and end with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from aiohttp import web

from sandbox_server.problems import invalid_request

LONGEST = 8 << 20
"""Bytes; options of a lease may carry the configurations of MCP servers, a megabyte of them, which stand here twice,
with six bytes for what were two."""
DIGEST_HEADER = "X-Lease-Note"
GENERATION_HEADER = "X-Lease-Generation"


class LeaseNote:
    """The note, and the routes of it."""

    def __init__(self, generation: Callable[[], int]) -> None:
        """Remember nothing yet; `generation` says how many leases this box has seen."""
        self._generation = generation
        self._note = b""
        self._digest = ""

    def routes(self) -> Sequence[web.RouteDef]:
        """Return them."""
        return (web.get("/lease", self._get), web.put("/lease", self._put))

    def headers(self) -> dict[str, str]:
        """Return what a heartbeat answers: which note there is, so that a missing or an old one is noticed."""
        return {DIGEST_HEADER: self._digest, GENERATION_HEADER: str(self._generation())}

    async def _get(self, request: web.Request) -> web.Response:
        return web.Response(body=self._note, content_type="application/octet-stream", headers=self.headers())

    async def _put(self, request: web.Request) -> web.Response:
        if request.content_length is None or request.content_length > LONGEST:
            raise invalid_request(f"a note of a lease says its length, which is at most {LONGEST} bytes")
        self._note = await request.read()
        self._digest = hashlib.sha256(self._note).hexdigest()
        return web.Response(status=204)
