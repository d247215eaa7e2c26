"""States in Redis: how long they are kept, and by whom they are seen."""

from __future__ import annotations

import asyncio

import pytest
from keeping import Keeping
from redis.asyncio import Redis
from redis_server import RedisServer

from agentscope_runtime.engine.errors import StoreUnavailable


@pytest.fixture
def keeping(redis_server: RedisServer) -> Keeping:
    """Keeps in the real Redis."""
    return Keeping({"redis_url": redis_server.url})


async def test_every_use_begins_the_time_to_live_anew(redis_server: RedisServer, keeping: Keeping) -> None:
    """An hour, if not said otherwise; saving and asking are uses; None is for ever."""
    key, hour = f"{keeping.prefix}:state:{{u:u}}:default", 3600 * 1000
    async with Redis.from_url(redis_server.url) as client, keeping.states() as service:
        await service.save_state("u", {})
        assert hour - 60_000 < await client.pttl(key) <= hour
        await client.pexpire(key, 1000)
        await service.export_state("u")
        assert hour - 60_000 < await client.pttl(key) <= hour
        async with keeping.states(ttl_seconds=None) as lasting:
            await lasting.export_state("u")
        assert await client.pttl(key) == -1


async def test_processes_count_their_rounds_together(keeping: Keeping) -> None:
    """Two services of one application, saving at once, never give out one round twice."""
    async with keeping.states(max_rounds=100) as one, keeping.states(max_rounds=100) as other:
        saves = [service.save_state("u", {"n": n}) for n in range(25) for service in (one, other)]
        assert sorted(await asyncio.gather(*saves)) == list(range(1, 51))
        assert await one.export_state("u") == await other.export_state("u")


async def test_a_redis_that_is_away_is_a_typed_error(keeping: Keeping) -> None:
    """At the start, so that an application that could keep nothing does not serve."""
    with pytest.raises(StoreUnavailable, match=r"Redis at redis://127\.0\.0\.1:1 does not serve"):
        await keeping.states(redis_url="redis://127.0.0.1:1").start()
