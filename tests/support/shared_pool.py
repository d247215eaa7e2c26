"""Managers of one installation in this process: one real Redis, one fake engine, and a Redis that may go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr
from redis_server import RedisServer

from agentscope_runtime.sandbox_manager.backends import Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend, FakeEngine
from agentscope_runtime.sandbox_manager.events import Event
from agentscope_runtime.sandbox_manager.feed import Feed
from agentscope_runtime.sandbox_manager.lifespan import running
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.settings import Settings

T = TypeVar("T")

INSTALLATION = "shared-tests"
SECRET = "s" * 32


class Town:
    """Where several managers live."""

    def __init__(self, redis: RedisServer, folder: Path, stack: AsyncExitStack) -> None:
        self.redis = redis
        self.engine = FakeEngine()
        self.happened: list[Event] = []
        self.feeds: list[Feed] = []
        """Of each manager, in the order of their starts."""
        self._folder = folder
        self._stack = stack
        self._managers = 0

    @asynccontextmanager
    async def manager(self, **settings: object) -> AsyncIterator[Pool]:
        """Run one more manager."""
        self._managers += 1
        self.feeds.append(Feed())
        # The engine outlives every manager: this backend is closed with the town.
        backend = FakeBackend(Owner(INSTALLATION, f"backend-{self._managers}"), engine=self.engine)
        self._stack.push_async_callback(backend.aclose)
        values = {
            "redis_url": SecretStr(self.redis.url),
            "installation": INSTALLATION,
            "installation_secret": SecretStr(SECRET),
            "state_dir": self._folder / str(self._managers),
            "container_deployment": "fake",
            "pool_size": 0,
            **settings,
        }
        async with running(Settings(**values), backend=backend, feed=self.feeds[-1]) as pool:  # type: ignore[arg-type]
            with pool.events.subscribed(self.happened.append):
                yield pool

    @property
    def containers(self) -> set[str]:
        """The names of all containers."""
        return set(self.engine.containers)

    def happenings(self, kind: type[Event]) -> list[Event]:
        """Return what happened at any manager, of one kind."""
        return [event for event in self.happened if isinstance(event, kind)]


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    """Have a Redis of one's own, and an engine."""
    with RedisServer(folder / "redis") as redis:
        async with AsyncExitStack() as stack:
            yield Town(redis, folder, stack)


async def eventually(what: Callable[[], Awaitable[T]], within: float = 20.0) -> T:
    """Return the first true answer; StoreUnavailable and the like are the caller's to catch."""
    async with asyncio.timeout(within):
        while not (answer := await what()):  # noqa: ASYNC110 - nothing tells when managers and a server are done
            await asyncio.sleep(0.02)
    return answer
