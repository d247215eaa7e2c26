"""Several managers with one pool, on a real Redis: any of them serves any lease, and no one's end ends it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fake_pool import ids, key
from redis.asyncio import Redis
from shared_pool import Town, eventually, town

from agentscope_runtime.sandbox.errors import SandboxNotFound, StoreUnavailable
from agentscope_runtime.sandbox_manager.events import SandboxStopping, StoreRebuilt
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.states import Lease


async def ready(pool: Pool, count: int, kind: str = "base") -> None:
    """Wait until the pool has so many free sandboxes."""

    async def enough() -> bool:
        try:
            return (await pool.report()).types[kind].ready == count
        except (StoreUnavailable, KeyError):
            return False

    await eventually(enough)


async def call(pool: Pool, sandbox_id: str) -> int:
    """Ask a box something through a manager; return the status."""
    async with pool.use(sandbox_id) as box, box.request("GET", "/tools") as response:
        return response.status


async def noted(t: Town, sandbox_id: str) -> None:
    """Wait until a box knows its lease."""

    async def has() -> bool:
        return bool(t.engine.containers[sandbox_id].box.note.note)

    await eventually(has)


async def test_any_manager_serves_any_lease(tmp_path: Path) -> None:
    """One has the lease made, the other answers calls, gives it again, and ends it; the pool is one."""
    async with town(tmp_path) as t, t.manager(pool_size=2) as one, t.manager(pool_size=2) as two:
        await ready(one, 2)
        assert len(t.containers) == 2, "one pool, filled by one of them"
        lease = await one.connect(key(), ["base"])
        again = await two.connect(key(), ["base"])
        assert ids(again) == ids(lease)
        (name,) = ids(lease)
        assert await call(two, name) == await call(one, name) == 200
        await two.release(key())
        with pytest.raises(SandboxNotFound, match="was released"):
            await call(one, name)

        async def heard() -> bool:
            # One manager emits it because it does it, the other because it is told.
            return [event.sandbox_id for event in t.happened if isinstance(event, SandboxStopping)] == [name] * 2

        await eventually(heard)
        await ready(two, 2)
        assert name not in t.containers


async def test_a_session_waits_for_a_start_of_another_manager(tmp_path: Path) -> None:
    """Both ask for the same lease at once: one starts it, and both have it as soon as it is ready."""
    async with town(tmp_path) as t, t.manager() as one, t.manager() as two:
        await eventually(lambda: _connected(one, "first"))
        leases = await asyncio.gather(*(pool.connect(key(), ["base"]) for pool in (one, two) * 5))
        assert len({tuple(ids(lease)) for lease in leases}) == 1
        assert len(t.containers) == 2


async def test_what_any_manager_gives_away_is_replaced_by_the_leader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears of it, and does not have to look."""
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.refill.LOOK_EVERY", 3600.0)
    async with town(tmp_path) as t, t.manager(pool_size=2) as one, t.manager(pool_size=2) as two:
        await ready(one, 2)
        leases = [await two.connect(key(f"s{number}"), ["base"]) for number in range(2)]
        await ready(two, 2)
        assert len(t.containers) == 4
        assert t.containers.issuperset(name for lease in leases for name in ids(lease))


async def test_boxes_outlive_their_managers(tmp_path: Path) -> None:
    """All managers end; the next one finds the lease and the pool as they were."""
    async with town(tmp_path) as t:
        async with t.manager(pool_size=1) as one:
            await ready(one, 1)
            lease = await one.connect(key(), ["base"])
            await ready(one, 1)
        before = t.containers
        async with t.manager(pool_size=1) as two:
            await ready(two, 1)
            assert ids(await two.connect(key(), ["base"])) == ids(lease)
            assert t.containers == before


async def test_a_redis_that_lost_everything_is_filled_from_the_boxes(tmp_path: Path) -> None:
    """Sessions have their sandboxes again; a box that was not used goes back to the pool; a forger's box goes."""
    async with town(tmp_path) as t, t.manager(pool_size=1) as one, t.manager(pool_size=1) as two:
        await ready(one, 1)
        lease, other = await one.connect(key("s1"), ["base"]), await two.connect(key("s2"), ["base"])
        await ready(one, 1)
        (name,), (forged,) = ids(lease), ids(other)
        await noted(t, name)
        await noted(t, forged)
        t.engine.containers[forged].box.note.note = t.engine.containers[name].box.note.note
        (free,) = t.containers - {name, forged}
        async with Redis.from_url(t.redis.url) as redis:
            await redis.flushall()

        async def rebuilt() -> bool:
            return bool(t.happenings(StoreRebuilt)[1:])  # the first was of the empty Redis at the beginning

        await eventually(rebuilt)
        event = t.happenings(StoreRebuilt)[1]
        assert isinstance(event, StoreRebuilt)
        assert (event.leased, event.warm, event.removed) == ((name,), (free,), (forged,))
        assert ids(await two.connect(key("s1"), ["base"])) == [name]
        assert await call(two, name) == 200
        assert ids(await two.connect(key("s2"), ["base"])) != [forged]


async def test_while_redis_is_away_boxes_go_on(tmp_path: Path) -> None:
    """Claims fail fast, with a typed error; a box that was used answers; after that all is as before."""
    async with town(tmp_path) as t, t.manager(pool_size=1) as one:
        await ready(one, 1)
        lease = await one.connect(key(), ["base"])
        (name,) = ids(lease)
        assert await call(one, name) == 200
        await noted(t, name)
        t.redis.stop()
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(StoreUnavailable) as refused:
            await one.connect(key("s2"), ["base"])
        assert loop.time() - began < 3.0
        assert refused.value.extras["retry_after"]
        assert await call(one, name) == 200
        with pytest.raises(StoreUnavailable):
            await call(one, "sbx-unknown")
        t.redis.start()
        again = await eventually(lambda: _connected(one))
        assert again is not None and ids(again) == [name]
        assert await call(one, name) == 200


async def _connected(pool: Pool, session: str = "s1") -> Lease | None:
    try:
        return await pool.connect(key(session), ["base"])
    except StoreUnavailable:
        return None
