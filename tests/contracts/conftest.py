"""What the contract suites run against."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from keeping import KEEPINGS, Keeping
from stores import STORES

from agentscope_runtime.sandbox_manager.stores import Store


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest) -> Store:
    """An empty store of each kind."""
    return await STORES[request.param]()


@pytest.fixture(params=KEEPINGS)
async def keeping(request: pytest.FixtureRequest) -> AsyncIterator[Keeping]:
    """Each way in which the engine's services keep things."""
    async with KEEPINGS[request.param](request) as kept:
        yield kept
