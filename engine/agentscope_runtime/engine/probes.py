"""What tells people and orchestrators about an application: the welcome page, and whether it lives and is ready.

They answer everybody, so they tell nothing that is anybody's business. A native route on the same path takes their
place.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

SERVICE = "AgentScope Runtime"


class Probed(Protocol):
    """What the probes ask of an application."""

    @property
    def phase(self) -> str:
        """Where it is in its life."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether it can serve."""
        ...

    @property
    def deployment_mode(self) -> str:
        """How its process came to be."""
        ...

    def agent_paths(self) -> dict[str, str]:
        """Return the paths on which agents answer, by name."""
        ...


def add_probes(app: FastAPI, probed: Probed) -> None:
    """Add the four routes."""

    async def welcome() -> dict[str, Any]:
        """Tell what this is, and where what is."""
        probes = {"health": "/health", "readiness": "/readiness", "liveness": "/liveness"}
        documents = {"docs": app.docs_url} if app.docs_url and app.openapi_url else {}
        endpoints = {**probed.agent_paths(), **probes, **documents}
        about = {"name": app.title, "description": app.description}
        return {"service": SERVICE, **about, "mode": probed.deployment_mode, "endpoints": endpoints}

    async def health() -> dict[str, str]:
        """Tell how the application is, and what time it has."""
        return {
            "status": "healthy" if probed.is_ready else probed.phase,
            "timestamp": datetime.now(UTC).isoformat(),
            "mode": probed.deployment_mode,
            "runner": "ready" if probed.is_ready else "not_ready",
        }

    async def readiness() -> Response:
        """Tell whether requests should be sent here: 503 while it starts and stops."""
        if probed.is_ready:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not_ready", "phase": probed.phase}, 503)

    async def liveness() -> dict[str, str]:
        """Tell that the process answers; where it does not, restart it."""
        return {"status": "alive"}

    for path, probe in {"/": welcome, "/health": health, "/readiness": readiness, "/liveness": liveness}.items():
        app.router.add_api_route(
            path, probe, methods=["GET"], tags=["probes"], response_model=None, route_class_override=_way_giving(app)
        )


def _way_giving(app: FastAPI) -> type[APIRoute]:
    """Make the class of routes that stand back where the application has one of its own on exactly this path."""

    class WayGiving(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            match, child_scope = super().matches(scope)
            if match is Match.FULL and any(_is_meant_for(route, scope) for route in app.router.routes):
                return Match.NONE, {}
            return match, child_scope

    def _is_meant_for(route: BaseRoute, scope: Scope) -> bool:
        if isinstance(route, WayGiving | Mount):
            return False
        match, child_scope = route.matches(scope)
        return match is Match.FULL and not child_scope.get("path_params")  # with some it takes many a path

    return WayGiving
