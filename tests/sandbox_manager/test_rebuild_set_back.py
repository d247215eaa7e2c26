"""A Redis that was restarted and lacks the last that it was told: nobody's sandbox is given to somebody else."""

from __future__ import annotations

from pathlib import Path

from fake_pool import ids, key
from redis.asyncio import Redis
from shared_pool import Town, eventually, town

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.events import StoreRebuilt
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.states import Lease


async def kept(redis: Redis) -> dict[bytes, bytes]:
    """Return everything that Redis knows."""
    return {name: await redis.dump(name) or b"" async for name in redis.scan_iter()}


async def set_back(redis: Redis, before: dict[bytes, bytes]) -> None:
    """Let Redis know what it knew before, and nothing else, as after a restart: no script, and no subscriber."""
    pipe = redis.pipeline()  # at once
    pipe.flushall()
    for name, value in before.items():
        pipe.restore(name, 0, value)
    pipe.script_flush()
    await pipe.execute()


async def free(pool: Pool, count: int) -> None:
    """Wait until so many are free."""

    async def enough() -> bool:
        try:
            return (await pool.report()).types["base"].ready == count
        except (StoreUnavailable, KeyError):
            return False

    await eventually(enough)


async def connected(pool: Pool, session: str) -> Lease | None:
    """Connect, unless the store is being compared."""
    try:
        return await pool.connect(key(session), ["base"])
    except StoreUnavailable:
        return None


async def noted(t: Town, sandbox_id: str) -> None:
    """Wait until a box knows its lease."""

    async def has() -> bool:
        return bool(t.engine.containers[sandbox_id].box.note.note)

    await eventually(has)


async def test_a_lease_that_redis_forgot_is_not_given_away(tmp_path: Path) -> None:
    """To Redis, its sandbox is free; the box knows better, and is asked before anybody gets it."""
    async with town(tmp_path) as t, t.manager(pool_size=1) as one, t.manager(pool_size=1) as two:
        await free(one, 1)
        async with Redis.from_url(t.redis.url) as redis:
            before = await kept(redis)
            (mine,) = ids(await one.connect(key("mine"), ["base"]))
            await noted(t, mine)
            rebuilt = len(t.happenings(StoreRebuilt))
            await set_back(redis, before)
        theirs = await eventually(lambda: connected(two, "theirs"))
        assert theirs is not None
        assert ids(theirs) != [mine]
        again = await eventually(lambda: connected(two, "mine"))
        assert again is not None
        assert ids(again) == [mine]
        assert len(t.happenings(StoreRebuilt)) > rebuilt
