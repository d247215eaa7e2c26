"""The manager's HTTP: `create_app` builds the application; each module beside it is one noun of the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from agentscope_runtime.sandbox_manager.api import (
    cdp,
    commands,
    desktop,
    events,
    files,
    health,
    kernels,
    leases,
    links,
    mcp,
    mcp_servers,
    metrics,
    openapi,
    pages,
    ports,
    problems,
    profiles,
    sandboxes,
    snapshots,
    terminals,
    tools,
)
from agentscope_runtime.sandbox_manager.api.auth import Access, Guard, Hosts
from agentscope_runtime.sandbox_manager.api.draining import Drain, DrainGate
from agentscope_runtime.sandbox_manager.api.grants import Clock, SharedVault
from agentscope_runtime.sandbox_manager.api.metrics import Counted
from agentscope_runtime.sandbox_manager.api.port_places import PreviewHosts
from agentscope_runtime.sandbox_manager.api.previews import Previews
from agentscope_runtime.sandbox_manager.api.traced import Traced
from agentscope_runtime.sandbox_manager.api.turns import Turns
from agentscope_runtime.sandbox_manager.feed import Feed
from agentscope_runtime.sandbox_manager.keys import load_key
from agentscope_runtime.sandbox_manager.memory_use import MemoryUse
from agentscope_runtime.sandbox_manager.metrics import Metrics
from agentscope_runtime.sandbox_manager.profiles import Profiles
from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.snapshot_keeper import SnapshotKeeper
from agentscope_runtime.sandbox_manager.snapshot_place import storage_of

if TYPE_CHECKING:
    from agentscope_runtime.sandbox_manager.backends import Backend
    from agentscope_runtime.sandbox_manager.pool import Pool
    from agentscope_runtime.sandbox_manager.stores import Store
    from agentscope_runtime.sandbox_manager.tracing import Tracing

__all__ = ["create_app"]

BODY_LIMIT = 1 << 20
"""Bytes of a request's body; what is longer is refused before it is read."""
ROUTERS = (
    health.router,
    leases.router,
    metrics.router,
    events.router,
    sandboxes.router,
    tools.router,
    files.router,
    links.router,
    kernels.router,
    commands.router,
    terminals.router,
    mcp.router,
    mcp_servers.router,
    desktop.router,
    cdp.router,
    profiles.router,
    snapshots.router,
    ports.router,
    pages.router,
)


def create_app(
    settings: Settings,
    *,
    backend: Backend | None = None,
    store: Store | None = None,
    pool: Pool | None = None,
    clock: Clock = time.monotonic,
    tracing: Tracing | None = None,
) -> FastAPI:
    """Build the application; `app.state.pool` is there while its lifespan runs, `app.state.drain` all the time.

    Args:
        settings: All of it.
        backend: Instead of the one that the settings name.
        store: Instead of the one that the settings name.
        pool: A pool that runs already, and that the caller closes; else the application runs its own.
        clock: For the life of tickets and sessions.
        tracing: Makes spans of calls and of what happens; the caller closes it.

    Raises:
        SettingsError: There is no key, and others than this machine could call; or something is not installed.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            serving = pool
            if serving is None:
                own = _own_pool(settings, backend, store, counted, feed)
                serving = await stack.enter_async_context(own)
            else:
                stack.enter_context(serving.events.subscribed(counted.note))
                stack.enter_context(serving.events.subscribed(feed.of(serving.store.manager)))
            if serving.shelf is not None:
                access.share(SharedVault(serving.shelf), serving.identity)
            if tracing is not None:
                stack.enter_context(serving.events.subscribed(tracing.note))
            app.state.pool = serving
            await stack.enter_async_context(_in_background(counted.watch_loop()))
            await stack.enter_async_context(_in_background(drain.then(serving.drain)))
            app.state.memory_use = MemoryUse(serving.backend)
            stack.push_async_callback(app.state.memory_use.aclose)
            app.state.snapshots = SnapshotKeeper(storage, serving)
            stack.push_async_callback(storage.aclose)
            yield

    storage = storage_of(settings)
    access, drain, counted = Access(settings, load_key(settings), clock), Drain(), Metrics()
    feed = Feed()
    hosts, previews = Hosts(settings), PreviewHosts(settings.preview_domain)
    app = FastAPI(
        title="AgentScope Runtime sandbox manager",
        version=health.version(),
        summary="Leases sandboxes to sessions, and is the way into them.",
        lifespan=lifespan,
        middleware=[
            *([Middleware(Traced, tracing=tracing)] if tracing else []),
            Middleware(Counted, metrics=counted),
            Middleware(DrainGate, drain=drain),
            Middleware(Turns),
            Middleware(Previews, access=access, hosts=hosts, previews=previews),
            Middleware(Guard, access=access, hosts=hosts),
        ],
        # Enough for every call but those of tools and files, which say their own limits.
        max_body_size=BODY_LIMIT,
        # The stock pages load scripts from another server, which would run with our cookies: /docs is our own.
        docs_url=None,
        redoc_url=None,
        # Four spans for each call cost more than the calls themselves.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.access = access
    app.state.drain = drain
    app.state.metrics = counted
    app.state.feed = feed
    app.state.profiles = Profiles(settings.state_dir / "profiles")
    app.state.previews = previews
    app.state.filled_once = False
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    openapi.describe(app)
    return app


@asynccontextmanager
async def _own_pool(
    settings: Settings, backend: Backend | None, store: Store | None, counted: Metrics, feed: Feed
) -> AsyncIterator[Pool]:
    from agentscope_runtime.sandbox_manager.lifespan import running

    async with running(settings, backend=backend, store=store, metrics=counted, feed=feed) as pool:
        yield pool


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
