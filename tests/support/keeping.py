"""Every way in which the engine's services keep things, for the suites that all of them pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from fakeredis.aioredis import FakeRedis
from redis_server import RedisServer

from agentscope_runtime.engine.services.agent_state import InMemoryStateService, RedisStateService, StateService
from agentscope_runtime.engine.services.memory import InMemoryMemoryService, RedisMemoryService
from agentscope_runtime.engine.services.memory.journaled import JournaledMemoryService
from agentscope_runtime.engine.services.session_history import InMemorySessionHistoryService, RedisSessionHistoryService
from agentscope_runtime.engine.services.session_history.journaled import JournaledSessionHistoryService

LOOKALIKES = [
    ("a:b", "c"),
    ("a", "b:c"),
    ("a:b:c", ""),
    ("", "a:b:c"),
    ("a%3Ab", "c"),
    ("{a}", "c"),
    ("a", "{c}"),
    ("a", "c"),
    ("A", "c"),
    ("a ", "c"),
    ("a", " c"),
    ("a", "*"),
    ("*", "c"),
    ("[a-z]", "?"),
    ("a\x00", "c"),
    ("ä", "c"),
    ("a\u0308", "c"),
    ("a" * 1000, "c" * 1000),
]
"""Users and sessions that careless keys would take for one another."""


@dataclass
class Keeping:
    """Makes services that keep things in one way; those in Redis share what they keep, if they are of one kind."""

    redis: dict[str, Any] | None = None
    """How to reach Redis; None is memory."""
    prefix: str = field(default_factory=lambda: f"test-{uuid4()}")

    def states(self, **options: Any) -> StateService:
        """Make a service for states."""
        return InMemoryStateService(**options) if self.redis is None else RedisStateService(**self._redis(options))

    def histories(self, **options: Any) -> JournaledSessionHistoryService:
        """Make a service for session histories."""
        if self.redis is None:
            return InMemorySessionHistoryService(**options)
        return RedisSessionHistoryService(**self._redis(options))

    def memories(self, **options: Any) -> JournaledMemoryService:
        """Make a service for memories."""
        return InMemoryMemoryService(**options) if self.redis is None else RedisMemoryService(**self._redis(options))

    def _redis(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**(self.redis or {}), "key_prefix": self.prefix, **options}


@asynccontextmanager
async def _memory(_: pytest.FixtureRequest) -> AsyncIterator[Keeping]:
    yield Keeping()


@asynccontextmanager
async def _redis(request: pytest.FixtureRequest) -> AsyncIterator[Keeping]:
    server: RedisServer = request.getfixturevalue("redis_server")
    yield Keeping({"redis_url": server.url})


@asynccontextmanager
async def _fakeredis(_: pytest.FixtureRequest) -> AsyncIterator[Keeping]:
    async with FakeRedis(decode_responses=True) as client:
        yield Keeping({"redis_client": client})


KEEPINGS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Keeping]]] = {
    "memory": _memory,
    "redis": _redis,
    "fakeredis": _fakeredis,  # as applications try things; and a client whose answers are text
}
