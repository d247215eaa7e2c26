"""What steps of the store in Redis cost, in commands that their scripts give: a clock would tell the machine's mood."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis_server import RedisServer
from store_costs import STEPS, Step, with_leases
from stores import ME, shared


async def commands(url: str, what: Callable[[], Awaitable[Any]]) -> int:
    """Count the commands that a server runs for this."""
    async with Redis.from_url(url) as redis:
        await redis.config_resetstat()
        await what()
        said = await redis.info("commandstats")
    return sum(each["calls"] for name, each in said.items() if name.removeprefix("cmdstat_") not in {"info", "config"})


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_costs_the_same_among_many_leases(name: str, redis_server: RedisServer) -> None:
    """What hot paths do looks at no lease but its own; a reaper's look at what is due only."""
    step: Step = STEPS[name]
    costs = []
    for leases in (10, 300):
        async with shared(redis_server.url, ME) as (store,):
            await with_leases(store, leases)
            costs.append(await commands(redis_server.url, lambda store=store: step(store)))  # type: ignore[misc]
    assert costs[0] > 1
    assert costs[0] == costs[1]
