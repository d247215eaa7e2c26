"""What the contract suites run against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from backend_rig import SIDES, Rig, Side
from keeping import KEEPINGS, Keeping
from redis_server import RedisServer
from stores import STORES

from agentscope_runtime.sandbox_manager.box import Boxes, box_session
from agentscope_runtime.sandbox_manager.stores import Store


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each kind."""

    def redis() -> str:
        server: RedisServer = request.getfixturevalue("redis_server")
        return server.url

    async with STORES[request.param](redis) as opened:
        yield opened


@pytest.fixture(params=KEEPINGS)
async def keeping(request: pytest.FixtureRequest) -> AsyncIterator[Keeping]:
    """Each way in which the engine's services keep things."""
    async with KEEPINGS[request.param](request) as kept:
        yield kept


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    """Each kind of backend."""
    async with SIDES[request.param]() as made:
        yield made


@pytest.fixture
async def rig(side: Side) -> AsyncIterator[Rig]:
    """A backend with nothing on it."""
    async with AsyncExitStack() as stack:
        yield Rig(side, stack, Boxes(await stack.enter_async_context(box_session())))
