"""Journals in Redis: their keys, and when these are gone. What all journals do is tested by the services."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from keeping import Keeping
from redis.asyncio import Redis
from redis.crc import key_slot
from redis_server import RedisServer

from agentscope_runtime.engine.errors import InvalidOption, StoreUnavailable
from agentscope_runtime.engine.schemas.session import Session
from agentscope_runtime.engine.services.redis_journals import RedisJournals

HOUR = 3600 * 1000


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """Looks at what is there."""
    async with Redis.from_url(redis_server.url, decode_responses=True) as redis:
        yield redis


@pytest.fixture
def keeping(redis_server: RedisServer) -> Keeping:
    """Keeps in the real Redis."""
    return Keeping({"redis_url": redis_server.url})


async def keys(client: Redis, keeping: Keeping) -> list[str]:
    """Return all keys of this test."""
    return sorted([key async for key in client.scan_iter(match=f"{keeping.prefix}:*")])


async def test_the_keys_of_a_user_are_together(client: Redis, keeping: Keeping) -> None:
    """In one slot of a cluster, whatever the user is called; people can read them."""
    async with keeping.histories() as histories, keeping.states() as states, keeping.memories() as memories:
        for user in ("{alice}", ""):
            for session in ("s:1", "s}2"):
                await histories.append_message(Session(id=session, user_id=user), {"content": "x"})
            await memories.add_memory(user, {"content": "x"})
            await states.save_state(user, {}, "s:1")
        found = await keys(client, keeping)
        own = [key for key in found if "alice" in key]
        assert [key.removeprefix(f"{keeping.prefix}:") for key in own] == [
            "history:{u:%7Balice%7D}",
            "history:{u:%7Balice%7D}:s%3A1",
            "history:{u:%7Balice%7D}:s%7D2",
            "memory:{u:%7Balice%7D}",
            "memory:{u:%7Balice%7D}:",
            "state:{u:%7Balice%7D}:s%3A1",
        ]
        assert {key_slot(key.encode()) for key in own} == {key_slot(b"u:%7Balice%7D")}
        assert len({key_slot(key.encode()) for key in set(found) - set(own)}) == 1


async def test_every_use_begins_the_time_to_live_anew(client: Redis, keeping: Keeping) -> None:
    """Writing and reading; and no key is without one."""
    async with keeping.histories() as service:
        session = await service.create_session("u", "s")
        await service.append_message(session, {"content": "x"})
        for use in (service.append_message(session, {"content": "y"}), service.get_session("u", "s")):
            for key in await keys(client, keeping):
                await client.pexpire(key, HOUR // 2)
            await use
            lives = [await client.pttl(key) for key in await keys(client, keeping)]
            assert len(lives) == 2
            assert all(HOUR - 60_000 < life <= HOUR for life in lives)


async def test_without_a_time_to_live_all_stays(client: Redis, keeping: Keeping) -> None:
    """Also what was kept with one before."""
    async with keeping.histories() as before:
        await before.append_message(Session(id="s", user_id="u"), {"content": "x"})
    async with keeping.histories(ttl_seconds=None) as service:
        assert await service.get_session("u", "s") is not None
        assert [await client.pttl(key) for key in await keys(client, keeping)] == [-1, -1]


async def test_a_session_out_of_time_is_gone(client: Redis, keeping: Keeping) -> None:
    """From the listing, too; whoever writes in it begins anew."""
    async with keeping.histories() as service:
        for name in ("old", "new"):
            await service.append_message(Session(id=name, user_id="u"), {"content": name})
        await client.zadd(f"{keeping.prefix}:history:{{u:u}}", {"old": 1.0})
        assert [session.id for session in await service.list_sessions("u")] == ["new"]
        assert await service.get_session("u", "old") is None
        session = Session(id="old", user_id="u")
        await service.append_message(session, {"content": "again"})
        kept = await service.get_session("u", "old")
        assert kept is not None
        assert [message.get_text_content() for message in kept.messages] == ["again"]


async def test_clearing_takes_only_what_is_its_own(client: Redis, redis_server: RedisServer) -> None:
    """A prefix may hold signs that patterns have a meaning for."""
    own = Keeping({"redis_url": redis_server.url}, prefix="app[*]")
    other = Keeping({"redis_url": redis_server.url}, prefix="app*")
    async with own.memories() as mine, other.memories() as theirs:
        for service in (mine, theirs):
            await service.add_memory("u", {"content": "x"})
        await mine.clear_all_memory()
        assert await mine.list_memory("u") == []
        assert len(await theirs.list_memory("u")) == 1
        await theirs.clear_all_memory()


async def test_applications_with_one_prefix_share(keeping: Keeping) -> None:
    """Two processes see the same sessions, also after the one that wrote has stopped."""
    async with keeping.histories() as one, keeping.histories() as other:
        session = await one.create_session("u", "s")
        await one.append_message(session, {"content": "from one"})
        await one.stop()
        seen = await other.create_session("u", "s")
        assert [message.get_text_content() for message in seen.messages] == ["from one"]


async def test_what_is_not_a_journal_is_an_error(client: Redis, keeping: Keeping) -> None:
    """Somebody else's data under our key is neither read nor overwritten."""
    async with keeping.histories() as service:
        await client.set(f"{keeping.prefix}:history:{{u:u}}", "theirs")
        with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
            await service.create_session("u", "s")


def test_a_bound_that_keeps_nothing_is_refused() -> None:
    """At once."""
    with pytest.raises(InvalidOption, match="at least 1"):
        RedisJournals("", None, {}, place=("p", "k"), most_entries=0, ttl_seconds=1)
    with pytest.raises(InvalidOption, match="ttl_seconds is -1"):
        RedisJournals("", None, {}, place=("p", "k"), most_entries=1, ttl_seconds=-1)
