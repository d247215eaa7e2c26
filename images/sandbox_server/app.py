"""Composes the web application of a box: who may call, what there is to call.

Not here: starting and ending (`box`), and what the parts do.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from sandbox_server.auth import Guard
from sandbox_server.config import BoxConfig
from sandbox_server.files.archives import ArchiveRoutes
from sandbox_server.files.origin import OriginRoutes
from sandbox_server.files.routes import FileRoutes
from sandbox_server.files.watch_routes import WatchRoutes
from sandbox_server.files.workspace import Workspace
from sandbox_server.lease_note import LeaseNote
from sandbox_server.parts import Part, Reachable
from sandbox_server.ports.routes import PortRoutes
from sandbox_server.problems import Handler, problems
from sandbox_server.readiness import Readiness
from sandbox_server.tools import ToolRoutes
from sandbox_server.watchdog import Watchdog

BODY_LIMIT = 64 << 20
"""Of JSON bodies, code of a cell for instance; files are streamed and have no limit."""


def create_app(config: BoxConfig, parts: Sequence[Part], watchdog: Watchdog) -> web.Application:
    """Build the application over these parts."""
    guard = Guard(config.assignment, watchdog.touch)
    note = LeaseNote(lambda: guard.generation)

    async def heartbeat(request: web.Request) -> web.Response:
        return web.Response(status=204, headers=note.headers())  # the guard has touched the watchdog

    @web.middleware
    async def authorized(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await guard.check(request, handler)

    app = web.Application(middlewares=[problems, authorized], client_max_size=BODY_LIMIT)
    app.router.add_get("/health", _health)
    app.router.add_get("/ready", Readiness(parts, config.sandbox_type).get)
    app.router.add_post("/heartbeat", heartbeat)
    app.router.add_routes(note.routes())
    app.router.add_routes(ToolRoutes(parts).routes())
    workspace = Workspace(str(config.workspace))
    archives = ArchiveRoutes(workspace)
    for files in (FileRoutes(workspace), archives, OriginRoutes(archives), WatchRoutes(workspace)):
        app.router.add_routes(files.routes())
    for part in parts:
        if isinstance(part, Reachable):
            app.router.add_routes(part.routes())
    ports = PortRoutes(frozenset({config.port, config.desktop_port, config.cdp_port}))
    app.router.add_routes(ports.routes())
    app.on_cleanup.append(ports.close)
    return app


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
