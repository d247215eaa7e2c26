"""Boxes to talk to: records, and servers that answer for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from agentscope_runtime.sandbox.errors import SandboxDied, SandboxError
from agentscope_runtime.sandbox_manager.backends.fake_box import FakeBox
from agentscope_runtime.sandbox_manager.states import Address, SandboxRecord, State

TOKEN = "t" * 32
"""What the boxes here want to see."""


def record(address: Address | None, token: str = TOKEN, generation: int = 1) -> SandboxRecord:
    """Make the record of a leased sandbox."""
    return SandboxRecord("sbx-1", "base", State.LEASED, "image", 0.0, token, address=address, generation=generation)


async def died(gone: SandboxRecord) -> SandboxError:
    """Find that the container is gone."""
    return SandboxDied(f"sandbox {gone.sandbox_id} ended")


@asynccontextmanager
async def fake_box(*, has_desktop: bool = False) -> AsyncIterator[tuple[FakeBox, Address]]:
    """Serve a fake box."""
    box = FakeBox(TOKEN, "base", has_desktop=has_desktop)
    try:
        yield box, await box.serve()
    finally:
        await box.close()


@asynccontextmanager
async def server(handler: object) -> AsyncIterator[Address]:
    """Serve every path with one handler."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Address("127.0.0.1", runner.addresses[0][1])
    finally:
        await runner.cleanup()
