"""Opens the port of a box. On its own because importing aiohttp takes as long as all the rest."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from sandbox_server.app import create_app
from sandbox_server.config import BoxConfig
from sandbox_server.parts import Part
from sandbox_server.ports.routes import HEAD_LIMIT
from sandbox_server.watchdog import Watchdog

SHUTDOWN_S = 1.0


async def listen(config: BoxConfig, parts: Sequence[Part], watchdog: Watchdog) -> web.AppRunner:
    """Serve on all interfaces; the caller cleans the runner up."""
    app = create_app(config, parts, watchdog)
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S, max_field_size=HEAD_LIMIT
    )
    await runner.setup()
    # All interfaces: the container's own network is what keeps others out, and the token whoever gets in.
    await web.TCPSite(runner, "0.0.0.0", config.port, backlog=256).start()
    return runner
