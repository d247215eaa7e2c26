"""Who may call an agent: everybody, unless the application has a key.

The key guards the routes of agents (queries, `@app.endpoint`), which are made here, and nothing else: probes have to
answer without one, and native FastAPI routes are the application's own business.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from agentscope_runtime.engine.errors import NotAuthorized

Endpoint = Callable[..., Any]


class Access:
    """The routes of agents, which ask for the key if there is one."""

    def __init__(self, key: str | None) -> None:
        self._key = None if key is None else key.encode()
        self._route_class = APIRoute if key is None else _guarded_by(self.check)
        # Only for the document: /docs shows where the key goes.
        self._shown = [] if key is None else [Security(HTTPBearer(auto_error=False))]

    @property
    def open(self) -> bool:
        """Whether everybody may call."""
        return self._key is None

    def add_route(self, app: FastAPI, path: str, endpoint: Endpoint, methods: Sequence[str], **options: Any) -> None:
        """Add a route that only callers with the key reach."""
        for method in methods:  # one each: FastAPI's document would name all methods of one route alike, and warn
            app.router.add_api_route(
                path,
                endpoint,
                methods=[method],
                dependencies=self._shown,
                response_model=None,
                route_class_override=self._route_class,
                **options,
            )

    def check(self, caller: HTTPConnection) -> None:
        """Let a caller pass who shows the key.

        Raises:
            NotAuthorized: the key is missing or wrong.
        """
        if self._key is None:
            return
        scheme, _, given = caller.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAuthorized("no key: send the header `Authorization: Bearer <key>`")
        if not hmac.compare_digest(given.strip().encode("latin-1"), self._key):
            raise NotAuthorized("the key is wrong: the application has another bearer_token, or AGENT_BEARER_TOKEN")


def _guarded_by(check: Callable[[Request], None]) -> type[APIRoute]:
    """Make the class of routes that ask before the body is read; a dependency would ask after it was parsed."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                check(request)
                return await handle(request)

            return guarded

    return GuardedRoute
