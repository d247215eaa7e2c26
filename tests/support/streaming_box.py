"""A box that keeps nothing: for transfers larger than memory should ever hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, web

from agentscope_runtime.sandbox.errors import SandboxError, Unavailable
from agentscope_runtime.sandbox_manager.backends import Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend
from agentscope_runtime.sandbox_manager.box import Box
from agentscope_runtime.sandbox_manager.events import Events
from agentscope_runtime.sandbox_manager.states import Address, SandboxRecord, State
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore

CHUNK = bytes(1 << 16)


@dataclass
class StreamingBox:
    """Counts what it gets, and sends zeros; it is the pool of the one sandbox, too."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    """It reads nothing before this."""
    received: int = 0
    whole: bool = False
    """Whether the last upload came to its end."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    events: Events = field(default_factory=Events)
    store: MemoryStore = field(default_factory=MemoryStore)
    backend: FakeBackend = field(default_factory=lambda: FakeBackend(Owner("installation", "manager")))
    shelf: None = None

    def drain(self) -> None:
        """Have nobody wait."""

    async def put(self, request: web.Request) -> web.Response:
        """Take an upload."""
        await self.go.wait()
        self.whole = False
        try:
            async for chunk in request.content.iter_any():
                self.received += len(chunk)
            self.whole = True
        finally:
            self.ended.set()
        return web.json_response({"size": self.received})

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Send as many bytes as the path says; `broken`: break off after some."""
        broken = request.query["path"] == "broken"
        size = (1 << 30) if broken else int(request.query["path"])
        response = web.StreamResponse(headers={"Content-Length": str(size)})
        await response.prepare(request)
        try:
            while self.sent < (1 << 20 if broken else size):
                await response.write(CHUNK)
                self.sent += len(CHUNK)
        finally:
            self.ended.set()
        if broken and request.transport is not None:
            request.transport.abort()
        return response

    @asynccontextmanager
    async def use(self, sandbox_id: str) -> AsyncIterator[Box]:
        """Be the pool."""
        async with ClientSession(auto_decompress=False) as session:
            yield Box(self._record, session, self._verdict)

    async def _verdict(self, record: SandboxRecord) -> SandboxError:
        return Unavailable(f"{record.sandbox_id} does not answer")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[StreamingBox]:
        """Listen while the context is open."""
        app = web.Application(client_max_size=1 << 40)
        app.router.add_put("/files/content", self.put)
        app.router.add_get("/files/content", self.get)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = Address("127.0.0.1", runner.addresses[0][1])
        self._record = SandboxRecord("sbx-1", "base", State.LEASED, "image", 0.0, "token", address=address)
        try:
            yield self
        finally:
            self.go.set()
            await runner.cleanup()
