"""What the contract suites run against."""

from __future__ import annotations

import pytest
from stores import STORES

from agentscope_runtime.sandbox_manager.stores import Store


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest) -> Store:
    """An empty store of each kind."""
    return await STORES[request.param]()
