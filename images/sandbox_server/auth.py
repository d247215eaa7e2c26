"""Who may call this box: the holder of its token, with a lease that no newer one has replaced."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable

from aiohttp import web

from sandbox_server.config import Assignment
from sandbox_server.problems import Handler, invalid_request, not_authorized, stale_generation

GENERATION_HEADER = "X-Sandbox-Generation"
OPEN_PATHS = frozenset({"/health"})


class Guard:
    """Checks every request; the middleware of the app."""

    def __init__(self, assignment: asyncio.Future[Assignment], seen: Callable[[], None]) -> None:
        """Check against this assignment; `seen` hears of each authorised request, at its begin and its end."""
        self._assignment = assignment
        self._seen = seen
        self._highest = 0

    @property
    def generation(self) -> int:
        """The newest lease that has called; 0 before any has."""
        return self._highest

    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or refuse it."""
        if request.path in OPEN_PATHS:
            return await handler(request)
        assignment = self._authorize(request.headers.get("Authorization", ""))
        self._seen()
        self._check_generation(request.headers.get(GENERATION_HEADER), assignment)
        try:
            return await handler(request)
        finally:
            self._seen()

    def _authorize(self, header: str) -> Assignment:
        scheme, _, token = header.partition(" ")
        given = token.strip().encode(errors="surrogateescape")
        ready = self._assignment.done() and not self._assignment.cancelled() and not self._assignment.exception()
        # Before the manager has spoken there is no token, and so nobody who could show it.
        expected = self._assignment.result().token.encode() if ready else b""
        if scheme.lower() != "bearer" or not expected or not hmac.compare_digest(given, expected):
            raise not_authorized("the Authorization header does not carry the token of this box")
        return self._assignment.result()

    def _check_generation(self, value: str | None, assignment: Assignment) -> None:
        self._highest = max(self._highest, assignment.generation)
        if value is None:
            return
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise invalid_request(f"{GENERATION_HEADER} must be a whole number, not {value!r}")
        if int(value) < self._highest:
            raise stale_generation(f"this lease (generation {value}) is over: generation {self._highest} holds the box")
        self._highest = int(value)
