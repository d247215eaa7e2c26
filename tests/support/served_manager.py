"""A manager that really serves HTTP, in the event loop of the test, on boxes in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from agentscope_runtime.sandbox_manager.api import create_app
from agentscope_runtime.sandbox_manager.backends import Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend
from agentscope_runtime.sandbox_manager.listening import listen
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.serving import Server, configure
from agentscope_runtime.sandbox_manager.settings import Settings

KEY = "the key of this test"


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@dataclass
class Manager:
    """What a test sees of it."""

    app: FastAPI
    url: str
    clock: Clock
    backend: FakeBackend
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {KEY}"})

    @property
    def pool(self) -> Pool:
        """The pool behind it."""
        pool: Pool = self.app.state.pool
        return pool

    @property
    def host(self) -> str:
        """Name and port, as in a Host header."""
        return self.url.removeprefix("http://")

    def http(self, *, key: bool = True, **options: Any) -> httpx.AsyncClient:
        """Return a client, with the key if not said otherwise."""
        headers = {**(self.headers if key else {}), **options.pop("headers", {})}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False, **options)

    async def lease(self, *kinds: str, session: str = "s1") -> list[str]:
        """Lease sandboxes and return their ids."""
        async with self.http() as http:
            body = {"session_id": session, "sandbox_types": list(kinds)}
            answer = await http.post("/v1/leases", json=body)
            assert answer.status_code == 200, answer.text
            return [sandbox["sandbox_id"] for sandbox in answer.json()["sandboxes"]]


async def _serve(server: Server, listener: socket.socket) -> None:
    """Serve; an application that does not start is a failure of its test, and not the end of pytest's fixtures."""
    try:
        await server.serve(sockets=[listener])
    except SystemExit as error:
        raise AssertionError("the application did not start; the log has the reason") from error


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application while the context is open; yields its address."""
    listener = listen("127.0.0.1", 0)
    started = asyncio.Event()
    server = Server(configure(app, grace=0.2), on_start=started.set, on_stop=lambda: None)
    task = asyncio.create_task(_serve(server, listener))
    starting = asyncio.create_task(started.wait())
    try:
        await asyncio.wait({task, starting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        starting.cancel()
        server.stop()
        await task
        listener.close()


@asynccontextmanager
async def manager(state_dir: Path, **settings: Any) -> AsyncIterator[Manager]:
    """Run a manager on the fake backend; a base and a browser are kept warm if nothing else is said."""
    values: dict[str, Any] = {"pool_size": {"base": 1, "browser": 1}, "bearer_token": SecretStr(KEY), **settings}
    clock, backend = Clock(), FakeBackend(Owner("installation", "manager"))
    app = create_app(Settings(state_dir=state_dir, port=0, **values), backend=backend, clock=clock)
    async with served(app) as url:
        yield Manager(app, url, clock, backend)
    await backend.aclose()
