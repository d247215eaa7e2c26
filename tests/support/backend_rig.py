"""Every backend there is, and the short words in which their contract is written."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from docker_engine import docker_backend, kill

from agentscope_runtime.sandbox_manager.backends import Backend, Blueprint, Order, Owner, Started, Unreachable
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend, FakeEngine
from agentscope_runtime.sandbox_manager.box import Boxes
from agentscope_runtime.sandbox_manager.kinds import registered_kinds
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State

READY_WITHIN = 20.0


@dataclass
class Side:
    """One kind of backend, and how a test reaches around it."""

    make: Callable[[Owner], Backend]
    """Makes another backend on the same engine."""
    crash: Callable[[Backend, str], Awaitable[None]]
    """Ends a container as if it had crashed."""
    owner: Owner = field(default_factory=lambda: Owner(secrets.token_hex(8), "mgr-1"))


@asynccontextmanager
async def _fake() -> AsyncIterator[Side]:
    engine = FakeEngine()
    backends: list[FakeBackend] = []

    def make(owner: Owner) -> FakeBackend:
        backends.append(FakeBackend(owner, engine=engine))
        return backends[-1]

    async def crash(_: Backend, sandbox_id: str) -> None:
        await backends[0].die(sandbox_id)

    yield Side(make, crash)


@asynccontextmanager
async def _docker() -> AsyncIterator[Side]:
    async with docker_backend() as backend:
        yield Side(lambda owner: type(backend)(owner), lambda _, name: kill(name), backend.owner)


SIDES = {"fake": _fake, "docker": _docker}


class Rig:
    """A backend, and what a test makes with it."""

    def __init__(self, side: Side, stack: AsyncExitStack, boxes: Boxes) -> None:
        self.side = side
        self.boxes = boxes
        self._stack = stack
        self._blueprint = registered_kinds(watchdog_seconds=60.0)("base")
        self.backend = self.another(side.owner)

    def another(self, owner: Owner) -> Backend:
        """Return a backend of another manager on the same engine; it is closed with the rig."""
        backend = self.side.make(owner)
        self._stack.push_async_callback(self._close, backend)
        return backend

    async def _close(self, backend: Backend) -> None:
        for found in await backend.containers():
            await backend.remove(found.sandbox_id)
        for found in await backend.loose_volumes():
            await backend.remove_volume(found.sandbox_id)
        await backend.aclose()

    def order(self, **changes: object) -> Order:
        """Order a base sandbox."""
        name = "sbx-" + secrets.token_hex(10)
        order = Order(name, self._blueprint, created_at=time.time(), token=secrets.token_urlsafe(32))
        return replace(order, **changes)  # type: ignore[arg-type]

    def blueprint(self, **changes: object) -> Blueprint:
        """Return the base sandbox's blueprint, changed."""
        return replace(self._blueprint, **changes)  # type: ignore[arg-type]

    async def up(self, order: Order, started: Started) -> SandboxRecord:
        """Wait until the box of a container is ready."""
        record = SandboxRecord(
            order.sandbox_id, "base", State.WARM, "", order.created_at, order.token, address=started.address
        )
        async with asyncio.timeout(READY_WITHIN):
            while True:
                try:
                    await self.boxes.ready(record, READY_WITHIN)
                except Unreachable:
                    await asyncio.sleep(0.01)  # it does not listen yet, and nothing tells when it will
                else:
                    return record
