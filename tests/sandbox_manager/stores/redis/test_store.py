"""What only a store in Redis does: several managers are on it."""

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
    DEATH,
    ENDING,
    ME,
    NONE,
    OTHER,
    Ear,
    claim,
    draft,
    ids,
    leased,
    shared,
    warm,
)

from agentscope_runtime.sandbox.errors import InvalidRequest, SandboxDied, StartFailed
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.membership import RedisMembership
from agentscope_runtime.sandbox_manager.states import LeaseKey, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores import Claim
from agentscope_runtime.sandbox_manager.stores.news import Failed, Room, Stopped, Taken, Woken
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink, prefix_of
from agentscope_runtime.sandbox_manager.stores.redis.store import AT_ONCE, RedisStore


async def test_any_manager_serves_any_lease(stores: list[RedisStore]) -> None:
    """One starts it, the other leases it, the first sees that."""
    mine, theirs = stores
    free = await warm(mine)
    assert ids(await claim(theirs, ALICE, "base")) == [free]
    assert (await mine.touch(free, now=200.0)).key == ALICE
    assert (await mine.sandboxes())[0] == await theirs.get(free)
    assert ids(await claim(mine, ALICE, "base")) == [free]
    assert await theirs.mark_stopping(free, DEATH) is not None
    assert [record.manager for record in await mine.sandboxes()] == [OTHER]
    with pytest.raises(SandboxDied, match="exit code 137"):
        await mine.touch(free, now=300.0)


async def test_a_free_sandbox_is_leased_once(stores: list[RedisStore]) -> None:
    """However many managers' callers want it at the same moment."""
    for _ in range(20):
        await warm(stores[0])
    keys = [LeaseKey(f"user{number}", "s") for number in range(60)]
    wishes = [Wish(key, ("base",)) for key in keys]
    claims = await asyncio.gather(
        *(stores[at % 2].claim(wish, {}, limits=NONE, now=1.0) for at, wish in enumerate(wishes * 2))
    )
    leases = {claimed.lease.key: ids(claimed) for claimed in claims if claimed.lease is not None}
    assert len(leases) == 20
    assert len({sandbox_id for held in leases.values() for sandbox_id in held}) == 20
    assert sum(len(claimed.granted) for claimed in claims) == 20


async def test_what_one_does_the_other_hears(stores: list[RedisStore]) -> None:
    """And never its own."""
    mine, theirs = stores
    async with Ear(mine) as ear:
        await warm(mine)
        (begun,) = (await claim(theirs, ALICE, "browser")).begun
        await theirs.mark_ready(begun.sandbox_id)
        await ear.hear(Woken(ALICE))
        held = ids(await claim(theirs, ALICE, "browser", "base"))
        await ear.hear(Taken("base"))
        await theirs.mark_stopping(held[0], DEATH)
        await ear.hear(Stopped(held[0], "browser", ALICE, DEATH.reason, died=True), Room())
        await theirs.fail(BOB, "base", StartFailed('it said: "nö"'))
        await ear.hear(Failed(BOB, "base", "start_failed", 'it said: "nö"'))
        free = await warm(theirs)
        await ear.hear(Room())
        await theirs.mark_stopping(free, ENDING)
        await ear.hear(Stopped(free, "base", None, "was released", died=False), Room())


async def test_those_who_wait_elsewhere_are_woken(stores: list[RedisStore]) -> None:
    """By whatever changes what they wait for: a promise that moves, or is no more."""
    mine, theirs = stores
    async with Ear(mine) as ear:
        (for_alice,) = (await claim(mine, ALICE, "base")).begun
        (for_bob,) = (await claim(mine, BOB, "base")).begun
        await theirs.mark_ready(for_bob.sandbox_id)
        await ear.hear(Woken(ALICE))
        await theirs.give_back(ALICE, ["base"])
        await ear.hear(Woken(BOB), Woken(ALICE), Room())
        await theirs.mark_stopping(for_bob.sandbox_id, DEATH)
        await ear.hear(Stopped(for_bob.sandbox_id, "base", BOB, DEATH.reason, died=True), Woken(BOB), Room())
        (held,) = await leased(mine, BOB, "base")
        await mine.suspend_idle(idle_since=1000.0)
        await theirs.mark_suspended(held, now=1.0)
        await ear.hear(Woken(BOB), Room())
    assert (await mine.census())["base"].unclaimed == 1
    assert (await mine.get(for_alice.sandbox_id)).key is None


async def test_options_that_change_while_they_are_agreed_upon_are_agreed_upon_again(
    stores: list[RedisStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another manager may be faster: what was decided holds for what it was decided on, or is decided anew."""
    mine, theirs = stores
    await leased(mine, ALICE, "base")
    changed = await claim(theirs, ALICE, "base", options=LeaseOptions(profile="work"))
    assert changed.lease is not None
    told = [LeaseOptions(profile="work", resolution="1000x1000"), LeaseOptions(profile="work")]

    async def meanwhile() -> None:
        await claim(theirs, ALICE, "base", options=told[0])

    asked = mine._said

    async def slow(verb: str, **arguments: object) -> dict[str, object]:
        said = await asked(verb, **arguments)
        if "options" in said and told:
            await meanwhile()
            told.clear()
        return said

    monkeypatch.setattr(mine, "_said", slow)
    claimed = await claim(mine, ALICE, "base", options=LeaseOptions(mcp_servers={"web": {"url": "http://web"}}))
    assert claimed.lease is not None
    (record,) = claimed.lease.sandboxes
    assert (record.options.profile, record.options.resolution) == ("work", "1000x1000")
    assert record.mcp_servers == {"web": {"url": "http://web"}}
    with pytest.raises(InvalidRequest, match="holds sandboxes with profile: 'work'"):
        await claim(mine, ALICE, "base", options=LeaseOptions(profile="home"))


async def test_it_is_known_whose_callers_wait(stores: list[RedisStore]) -> None:
    """Who asked last, for as long as something is only promised: if that manager dies, nobody may be waiting."""
    mine, theirs = stores
    assert await mine.waits() == {}
    await claim(mine, ALICE, "base")
    (begun,) = (await claim(theirs, BOB, "base")).begun
    assert await mine.waits() == {ALICE: ME, BOB: OTHER}
    await claim(theirs, ALICE, "base")
    assert await mine.waits() == {ALICE: OTHER, BOB: OTHER}
    await mine.mark_ready(begun.sandbox_id)
    assert await theirs.waits() == {ALICE: OTHER, BOB: OTHER}
    await claim(mine, ALICE, "base")
    assert await mine.waits() == {BOB: OTHER}
    await mine.give_back(BOB, ["base"])
    assert await mine.waits() == {}


async def test_times_and_configurations_come_back_as_they_were(stores: list[RedisStore]) -> None:
    """No digit is lost on the way through scripts, and no empty list becomes an empty object."""
    mine, _ = stores
    now = 1763750000.1234567
    servers = {"web": {"args": [], "env": {}, "timeout": 0.1 + 0.2, "big": 2**60, "text": "ü\n\x00"}}
    await warm(mine)
    wish = Wish(ALICE, ("base",), LeaseOptions(mcp_servers=servers), life=0.1)
    claimed = await mine.claim(wish, {}, limits=NONE, now=now)
    assert claimed.lease is not None
    (record,) = claimed.lease.sandboxes
    assert (record.leased_at, record.last_active_at, record.expires_at) == (now, now, now + 0.1)
    assert record.mcp_servers == record.options.mcp_servers == servers
    assert await mine.get(record.sandbox_id) == record
    await mine.mark_stopping(record.sandbox_id, DEATH)
    await warm(mine)
    again = await claim(mine, ALICE, "base")
    assert again.granted[0].mcp_servers == servers


async def test_more_than_a_script_takes_at_once(stores: list[RedisStore]) -> None:
    """Each batch is a step of its own, and nothing is left out, not even behind leases that cannot be suspended yet."""
    mine, theirs = stores
    count = 2 * AT_ONCE + 3
    records = [
        replace(draft(), state=State.LEASED, key=LeaseKey(f"u{number}", "s"), last_active_at=50.0)
        for number in range(count)
    ]
    for record in records:
        assert await mine.adopt(record)
    assert len(await mine.sandboxes()) == len(await mine.leases()) == count
    assert await mine.sandboxes() == records
    assert len(await theirs.pause_idle(idle_since=60.0)) == count
    for lease in await mine.suspend_idle(idle_since=60.0):
        await mine.mark_suspended(lease.sandboxes[0].sandbox_id, now=70.0)
    for record in records[: AT_ONCE + 5]:
        await claim(mine, _key(record), "base", now=71.0)
    ready = (await mine.mark_ready(records[AT_ONCE + 4].sandbox_id),)
    assert [lease.sandboxes for lease in await mine.suspend_idle(idle_since=80.0)] == [ready]
    ended = await mine.end_expired(now=0.0, suspended_before=75.0, ending=ENDING)
    assert len(ended) == count - AT_ONCE - 5
    assert len(await mine.end_idle(idle_since=80.0, ending=ENDING)) == AT_ONCE + 4


def _key(record: SandboxRecord) -> LeaseKey:
    assert record.key is not None
    return record.key


async def test_installations_do_not_see_each_other(redis_server: RedisServer) -> None:
    """In the same database."""
    async with shared(redis_server.url, ME) as (one,), shared(redis_server.url, ME) as (other,):
        free = await warm(one)
        assert await claim(other, ALICE, "base", drafts=False) == Claim()
        assert [record.sandbox_id for record in await one.sandboxes()] == [free]
        assert await other.census() == {}


async def test_nothing_is_left_of_what_is_over(redis_server: RedisServer) -> None:
    """But how it ended, for a while, and numbers that count on."""
    async with shared(redis_server.url, ME) as (store,):
        held = await leased(store, ALICE, "base", "browser")
        await store.suspend_idle(idle_since=1000.0)
        await store.mark_suspended(held[0], now=1000.0)
        (begun,) = (await claim(store, BOB, "base")).begun
        for sandbox_id in [*held, await warm(store), begun.sandbox_id]:
            await store.mark_stopping(sandbox_id, ENDING)
        for record in await store.sandboxes():
            await store.forget(record.sandbox_id)
        async with Redis.from_url(redis_server.url, decode_responses=True) as redis:
            left = {key.removeprefix(store._prefix) async for key in redis.scan_iter(match=f"{store._prefix}*")}
            assert left == {"whole", "sequence", "counts", "sums", "endings", "ended"}
            assert set(await redis.hvals(f"{store._prefix}sums")) == {"0"}
        assert await store.census() == {}


async def test_a_user_of_redis_with_few_rights_will_do(tmp_path: Path) -> None:
    """Those that the documents name."""
    with RedisServer(tmp_path) as server:
        async with Redis.from_url(server.url) as redis:
            await redis.acl_setuser(
                "pool",
                enabled=True,
                passwords=["+hush"],
                keys=["agentscope:*"],
                channels=["agentscope:*"],
                categories=["+@all", "-@dangerous"],
            )
        url = f"redis://pool:hush@127.0.0.1:{server.port}/0"
        async with shared(url, ME, OTHER) as (mine, theirs), Ear(mine):
            await leased(mine, ALICE, "base")
            await theirs.trim("base", keep=0, ending=ENDING, fence=1)
            await RedisMembership(mine._link, "pool", ME).look()
            await mine._link.check()
            assert await mine._link.once("pool", "x") == "x"


async def test_a_cluster_routes_by_the_installation(redis_server: RedisServer) -> None:
    """Every key's name has the same braces, which choose the slot."""
    assert prefix_of("pool") == "agentscope:{pool}:"
    link = RedisLink(redis_server.url)
    assert RedisStore(link, "pool", ME)._prefix == prefix_of("pool")
    await link.aclose()
