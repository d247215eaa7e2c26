"""A store on a real Redis for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis_server import RedisServer
from stores import ME, OTHER, shared

from agentscope_runtime.sandbox_manager.stores.redis.store import RedisStore


@pytest.fixture
async def stores(redis_server: RedisServer) -> AsyncIterator[list[RedisStore]]:
    """The same store, in the names of two managers."""
    async with shared(redis_server.url, ME, OTHER) as opened:
        yield opened
