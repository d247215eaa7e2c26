"""Who lives, and who leads."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis_server import RedisServer

from agentscope_runtime.sandbox_manager.membership import (
    BEAT_EVERY,
    DEAD_AFTER,
    DROPPED_AFTER,
    RedisMembership,
)
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink, prefix_of

_numbers = itertools.count()


class Members:
    """Managers of one installation, each with a clock that only the test moves."""

    def __init__(self, link: RedisLink) -> None:
        self.link = link
        self.installation = f"members-{next(_numbers)}"
        self.now = 1000.0
        self.all: dict[str, RedisMembership] = {}

    def __call__(self, name: str) -> RedisMembership:
        """Return the manager of this name."""
        if name not in self.all:
            self.all[name] = RedisMembership(self.link, self.installation, name, clock=lambda: self.now)
        return self.all[name]

    async def beat(self, *names: str, seconds: float = 0.0) -> None:
        """Let these managers beat for a while, as they do by themselves."""
        end = self.now + seconds
        for name in names:
            await self(name).look()
        while self.now < end:
            self.now = min(end, self.now + BEAT_EVERY)
            for name in names:
                await self(name).look()

    async def forget(self, what: str) -> None:
        """Let Redis forget a key."""
        async with Redis.from_url(self.link.where.removeprefix("Redis at ")) as redis:
            await redis.delete(prefix_of(self.installation) + what)

    async def forget_all(self) -> None:
        """Let Redis forget everything of this installation."""
        for what in ("epoch", "whole", "managers", "leader", "fence"):
            await self.forget(what)


@pytest.fixture
async def members(redis_server: RedisServer) -> AsyncIterator[Members]:
    """Managers that nobody else knows."""
    link = RedisLink(redis_server.url)
    yield Members(link)
    await link.aclose()


async def test_a_silent_manager_is_dead_when_that_is_proved(members: Members) -> None:
    """Its beats have to be missing for five of ours."""
    await members.beat("a", "b", seconds=30)
    assert not members("a").is_dead("b")
    await members.beat("a", seconds=DEAD_AFTER - 0.1)
    assert not members("a").is_dead("b")
    await members.beat("a", seconds=0.1)
    assert members("a").is_dead("b")
    assert not members("a").is_dead("a")


async def test_whom_nobody_knows_is_dead_after_as_long(members: Members) -> None:
    """The name is from a label of a container, say; before that, it may just have begun."""
    await members.beat("a")
    assert not members("a").is_dead("mgr-unknown")
    await members.beat("a", seconds=DEAD_AFTER)
    assert members("a").is_dead("mgr-unknown")


async def test_a_dead_manager_that_beats_again_lives(members: Members) -> None:
    """It was only stopped for a while."""
    await members.beat("a", "b")
    await members.beat("a", seconds=20)
    assert members("a").is_dead("b")
    await members.beat("b", "a")
    assert not members("a").is_dead("b")


async def test_who_has_just_come_calls_nobody_dead(members: Members) -> None:
    """It has to have watched for long enough itself."""
    await members.beat("a")
    members.now += 100
    await members.beat("b", seconds=DEAD_AFTER - 1)
    assert not members("b").is_dead("a")
    await members.beat("b", seconds=1)
    assert members("b").is_dead("a")


async def test_who_did_not_look_for_a_while_begins_anew(members: Members) -> None:
    """The one that was stopped is perhaps oneself."""
    await members.beat("a", "b", seconds=30)
    members.now += 60
    await members.beat("a")
    assert not members("a").is_dead("b")
    await members.beat("a", seconds=DEAD_AFTER)
    assert members("a").is_dead("b")


async def test_a_store_that_was_lost_proves_nothing(members: Members) -> None:
    """All beats are gone with it, and nobody is called dead for that."""
    await members.beat("a", "b", seconds=30)
    await members.forget_all()
    await members.beat("a", seconds=DEAD_AFTER - 1)
    assert not members("a").is_dead("b")
    assert not members("a").is_dead("mgr-unknown")


async def test_who_ends_in_good_order_is_gone_at_once(members: Members) -> None:
    """And somebody else leads."""
    await members.beat("b")
    async with members("a").alive():
        await members.beat("b", "a")
        assert members("b").is_leader
        assert not members("b").is_dead("a")
    await members.beat("b")
    assert members("b").is_dead("a")
    async with members("b").alive():
        assert members("b").is_leader
    assert not members("b").is_leader
    await members.beat("c")
    assert members("c").is_leader


async def test_one_leads_and_is_followed_when_it_falls_silent(members: Members) -> None:
    """Each leadership has a token that is larger than those before."""
    await members.beat("a", "b", "c", seconds=30)
    assert [members(name).is_leader for name in "abc"] == [True, False, False]
    first = members("a").fence
    assert members("b").fence == first > 0
    await members.forget("leader")  # as its time-out would
    await members.beat("b", "c", "a")
    assert [members(name).is_leader for name in "abc"] == [False, True, False]
    assert members("a").fence == members("b").fence > first


async def test_a_leader_without_beats_knows_that_it_is_none(members: Members) -> None:
    """It stops before another one can begin, whatever it heard last."""
    await members.beat("a")
    members.now += 8.9
    assert members("a").is_leader
    members.now += 0.2
    assert not members("a").is_leader


async def test_tokens_do_not_come_again_with_an_empty_store(members: Members) -> None:
    """A leader of before must not pass for one of now."""
    await members.beat("a")
    before = members("a").fence
    await members.forget_all()
    await members.beat("b")
    assert members("b").is_leader
    assert members("b").fence >= before


async def test_an_empty_store_is_not_whole_until_the_leader_says_so(members: Members) -> None:
    """The first time, too; only who leads may say it, and only of the store that it has seen."""
    await members.beat("a", "b")
    assert not members("a").is_whole
    assert await members("a").declare_whole()
    await members.beat("b")
    assert members("a").is_whole
    assert members("b").is_whole
    await members.forget_all()
    assert not await members("a").declare_whole()
    await members.beat("b", "a")
    assert not members("a").is_whole
    assert not members("b").is_whole
    assert await members("b").declare_whole()


async def test_who_decides_by_what_is_not_there_asks_first(members: Members) -> None:
    """A loss is noticed at once then, and not with the next beat; who does not lead is not to decide."""
    await members.beat("a", "b")
    assert await members("a").declare_whole()
    await members.beat("a", "b")
    assert await members("a").confirm()
    assert not await members("b").confirm()
    await members.forget_all()
    assert members("a").is_whole, "it has not looked"
    assert not await members("a").confirm()


async def test_the_long_dead_are_dropped(members: Members) -> None:
    """But for those that left something, and only by who has watched them for an hour."""
    await members.beat("a", "b", "c")
    async with members("d").alive():
        pass
    await members.beat("a", seconds=DROPPED_AFTER)
    await members("a").forget_dead(but=["c"])
    async with Redis.from_url(members.link.where.removeprefix("Redis at "), decode_responses=True) as redis:
        assert await redis.hkeys(f"{prefix_of(members.installation)}managers") == ["a", "b", "c", "d"]
        await members.beat("a", seconds=60)
        await members("a").forget_dead(but=["c"])
        assert await redis.hkeys(f"{prefix_of(members.installation)}managers") == ["a", "c"]
    await members.beat("a", seconds=DEAD_AFTER)
    assert members("a").is_dead("b")
