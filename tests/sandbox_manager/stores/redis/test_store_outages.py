"""A store in Redis when Redis is away, or was, or came back empty."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis_server import RedisServer
from stores import (
    ALICE,
    BOB,
    ENDING,
    ME,
    NONE,
    OTHER,
    Ear,
    claim,
    draft,
    ids,
    leased,
    make_whole,
    shared,
    warm,
)

from agentscope_runtime.sandbox.errors import StartFailed, StoreUnavailable
from agentscope_runtime.sandbox_manager.states import LeaseKey, State
from agentscope_runtime.sandbox_manager.stores.news import Failed, Room
from agentscope_runtime.sandbox_manager.stores.redis.store import AT_ONCE, RedisStore


async def test_news_that_were_missed_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each loss of the connection there may be room, and who waits tries again."""
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.stores.redis.store.HEAR_AGAIN", 0.05)
    with RedisServer(tmp_path) as server:
        async with shared(server.url, ME, OTHER) as (mine, theirs), Ear(mine) as ear:
            await asyncio.to_thread(server.restart)
            await ear.hear(Room())
            await theirs.fail(BOB, "base", StartFailed("x"))
            await ear.hear(Failed(BOB, "base", "start_failed", "x"))


async def test_an_empty_store_decides_nothing_by_absence(redis_server: RedisServer) -> None:
    """It may be that everything was lost; what it does know, it says."""
    async with shared(redis_server.url, ME) as (store,):
        (held,) = await leased(store, ALICE, "base")
        free, record = await warm(store), await store.get(held)
        prefix = store._prefix
        async with Redis.from_url(redis_server.url) as redis:
            await redis.delete(*[key async for key in redis.scan_iter(match=f"{prefix}*")])
        for asked in (
            claim(store, ALICE, "base"),
            store.record_start(draft(), limits=NONE),
            store.trim("base", keep=0, ending=ENDING),
            store.touch(held, now=1.0),
            store.get(held),
        ):
            with pytest.raises(StoreUnavailable, match="came back empty") as caught:
                await asked
            assert caught.value.extras == {"retry_after": 2.0}
        assert await store.mark_ready(free) is None
        assert await store.mark_stopping(free, ENDING) is None
        assert await store.adopt(record)
        assert await store.get(held) == record
        assert (await store.touch(held, now=200.0)).last_active_at == 200.0
        assert await store.end_idle(idle_since=1000.0, ending=ENDING) == ()
        assert await store.suspend_idle(idle_since=1000.0) == ()
        assert await store.pause_idle(idle_since=1000.0) == ()
        assert await store.end_expired(now=1000.0, suspended_before=1000.0, ending=ENDING) == ()
        await make_whole(store)
        assert ids(await claim(store, ALICE, "base")) == [held]


async def test_an_outage_in_the_middle_loses_nothing_that_was_begun(
    stores: list[RedisStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leases of the first batch are ended: the caller has to hear of them."""
    mine, _ = stores
    for number in range(AT_ONCE + 1):
        key = LeaseKey(f"u{number}", "s")
        assert await mine.adopt(replace(draft(), state=State.LEASED, key=key, last_active_at=50.0))
    asked, batches = mine._said, 0

    async def failing(verb: str, **arguments: object) -> dict[str, object]:
        nonlocal batches
        batches += 1
        if batches == 2:
            raise StoreUnavailable("away")
        return await asked(verb, **arguments)

    monkeypatch.setattr(mine, "_said", failing)
    assert len(await mine.end_idle(idle_since=60.0, ending=ENDING)) == AT_ONCE
    assert len(await mine.end_idle(idle_since=60.0, ending=ENDING)) == 1
    batches = 1
    with pytest.raises(StoreUnavailable):
        await mine.end_idle(idle_since=60.0, ending=ENDING)


@pytest.mark.parametrize("how", ["stop", "pause"])
async def test_without_redis_verbs_fail_and_with_it_they_go_on(tmp_path: Path, how: str) -> None:
    """A Redis that was only silent has kept everything."""
    with RedisServer(tmp_path) as server:
        async with shared(server.url, ME) as (store,):
            (held,) = await leased(store, ALICE, "base")
            getattr(server, how)()
            try:
                with pytest.raises(StoreUnavailable, match="does not serve this manager"):
                    await claim(store, ALICE, "base")
            finally:
                server.start() if how == "stop" else server.resume()
            if how == "pause":
                assert ids(await claim(store, ALICE, "base")) == [held]
            else:
                with pytest.raises(StoreUnavailable, match="came back empty"):
                    await claim(store, ALICE, "base")


async def test_a_redis_that_was_restarted_with_its_data_goes_on_when_that_was_compared(tmp_path: Path) -> None:
    """Everything is there, and nobody but the leader can know."""
    with RedisServer(tmp_path, appendonly="yes", appendfsync="everysec") as server:
        async with shared(server.url, ME) as (store,):
            (held,) = await leased(store, ALICE, "base")
            record = await store.get(held)
            await asyncio.to_thread(server.restart)
            with pytest.raises(StoreUnavailable, match="without the last that it was told"):
                await claim(store, ALICE, "base")
            assert await store.get(held) == record
            assert await store.end_idle(idle_since=1000.0, ending=ENDING) == ()
            await make_whole(store)
            assert ids(await claim(store, ALICE, "base")) == [held]
