"""Secrets of one manager, and of several that share a Redis: the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis_server import RedisServer

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.api.grants import OWNER, Grant, LocalVault, SharedVault, Vault
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink
from agentscope_runtime.sandbox_manager.stores.redis.shelf import RedisShelf

GRANT = Grant("sbx-1", control=True, generation=3, detail="ä 8000")


@pytest.fixture(params=["local", "shared"])
async def vaults(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Vault, Vault]]:
    """The vaults of two managers that share what is in them; a manager that is alone has but one."""
    if request.param == "local":
        vault = LocalVault()
        yield vault, vault
        return
    links = [RedisLink(request.getfixturevalue("redis_server").url) for _ in range(2)]
    one, two = (SharedVault(RedisShelf(link, "one")) for link in links)
    yield one, two
    for link in links:
        await link.aclose()


async def test_what_one_manager_issues_opens_on_the_other(vaults: tuple[Vault, Vault]) -> None:
    """As often as it is looked at, with all that was granted."""
    one, two = vaults
    secret = await one.issue("ticket-port", GRANT, 60)
    assert await two.look("ticket-port", secret) == await one.look("ticket-port", secret) == GRANT


async def test_a_ticket_is_used_up_everywhere(vaults: tuple[Vault, Vault]) -> None:
    """Of many who come at once, one gets in."""
    secret = await vaults[0].issue("ticket-desktop", GRANT, 60)
    opened = await asyncio.gather(*(vault.use_up("ticket-desktop", secret) for vault in vaults * 10))
    assert sorted(opened, key=bool) == [None] * 19 + [GRANT]


async def test_a_secret_is_of_one_kind(vaults: tuple[Vault, Vault]) -> None:
    """A ticket for a terminal is no session; guesses, whatever characters they have, are nothing."""
    one, two = vaults
    secret = await one.issue("ticket-terminal", OWNER, 60)
    for kind, guess in (("session", secret), ("ticket-terminal", ""), ("ticket-terminal", "\udcff")):
        assert await two.look(kind, guess) is None
        assert await two.use_up(kind, guess) is None
    assert await two.look("ticket-terminal", secret) == OWNER


async def test_time_ends_it(vaults: tuple[Vault, Vault]) -> None:
    """A millisecond, here."""
    one, two = vaults
    secret = await one.issue("session", OWNER, 0.001)
    await asyncio.sleep(0.01)
    assert await two.look("session", secret) is None
    assert await one.use_up("session", secret) is None


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[tuple[RedisServer, RedisLink]]:
    """A server that a test may look into, or stop, and a link to it."""
    with RedisServer(tmp_path) as server:
        link = RedisLink(server.url)
        yield server, link
        await link.aclose()


async def test_redis_holds_hashes_for_no_longer_than_they_are_good(own: tuple[RedisServer, RedisLink]) -> None:
    """Who reads all of it can open nothing; and another installation's managers find nothing."""
    server, link = own
    vault, stranger = SharedVault(RedisShelf(link, "one")), SharedVault(RedisShelf(link, "two"))
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        secret = await vault.issue("session", OWNER, 60)
        name = str(*await redis.keys("*"))
        assert name.startswith("agentscope:{one}:shelf:session:")
        assert secret not in name and secret not in str(await redis.get(name))
        assert 59_000 < await redis.pttl(name) <= 60_000
    assert await stranger.look("session", secret) is None


async def test_without_redis_nothing_opens_and_that_is_said(own: tuple[RedisServer, RedisLink]) -> None:
    """It is not taken for a wrong secret."""
    server, link = own
    vault = SharedVault(RedisShelf(link, "one"))
    secret = await vault.issue("session", OWNER, 60)
    server.stop()
    with pytest.raises(StoreUnavailable):
        await vault.look("session", secret)
