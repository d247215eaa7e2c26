"""The way to a real Redis, which goes away and comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis_server import RedisServer

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink, Script, prefix_of

ECHO = Script("return {KEYS[1], ARGV[1]}")
SOON = 3.0
"""Seconds within which a call is refused, on a machine that has other things to do, too."""


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[RedisLink]:
    """Open a link for a while."""
    link = RedisLink(url)
    try:
        yield link
    finally:
        await link.aclose()


async def refused(link: RedisLink) -> StoreUnavailable:
    """Return how the link says that there is no Redis."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        await link.run(ECHO, "p", "x")
    assert time.monotonic() - began < SOON
    return caught.value


async def test_a_script_is_run_with_its_prefix_and_arguments(redis_server: RedisServer) -> None:
    """Whether Redis knows it already or not; text comes back as text."""
    async with linked(redis_server.url) as link:
        assert await link.run(ECHO, prefix_of("one"), "ü") == ["agentscope:{one}:", "ü"]
        assert await link.run(ECHO, prefix_of("one"), "") == ["agentscope:{one}:", ""]


async def test_a_server_on_a_socket_with_a_login_and_a_database(tmp_path: Path) -> None:
    """What the address says is used."""
    path = tmp_path / "r"
    with RedisServer(tmp_path / "data", unixsocket=path) as server:
        async with Redis.from_url(server.url) as redis:
            await redis.acl_setuser("anna", enabled=True, passwords=["+hush"], keys=["*"], categories=["+@all"])
        write = Script("return redis.call('SET', KEYS[1], 1)")
        async with linked(f"unix://anna:hush@{path}?db=3") as link:
            assert await link.run(write, "here") == "OK"
        async with linked(server.url) as link:
            assert await link.run(Script("return redis.call('GET', KEYS[1])"), "here") is None
        async with linked(f"unix://anna:wrong@{path}") as link:
            assert "invalid username-password pair" in (await refused(link)).detail


async def test_what_is_kept_once_stays(redis_server: RedisServer) -> None:
    """The first of several managers decides, and all read the same."""
    async with linked(redis_server.url) as link, linked(redis_server.url) as other:
        said = await asyncio.gather(*(each.once("test-once", f"{n}") for n, each in enumerate([link, other] * 4)))
        assert len(set(said)) == 1
        assert await link.once("test-once", "later") == said[0]


async def test_each_of_many_questions_has_its_own_answer(redis_server: RedisServer) -> None:
    """Also when some are mistakes, and Redis has seen none of them before."""
    wrong = Script("return nonsense()")
    async with linked(redis_server.url) as link:
        asked = [link.run(wrong if number % 10 == 3 else ECHO, "many", f"{number}") for number in range(200)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for number, answer in enumerate(answers):
            if number % 10 == 3:
                assert isinstance(answer, ResponseError)
            else:
                assert answer == ["many", f"{number}"]
    with pytest.raises(StoreUnavailable, match="it is closed"):
        await link.run(ECHO, "many", "x")


async def test_without_a_server_calls_are_refused_at_once() -> None:
    """By name, with the cure's time, and no secret."""
    async with linked("redis://:hush@127.0.0.1:1/0") as link:
        error = await refused(link)
    assert error.extras == {"retry_after": 2.0}
    assert "Redis at redis://127.0.0.1:1/0 does not serve this manager" in error.detail
    assert "hush" not in error.detail


async def test_sentinels_that_do_not_answer_are_told_in_a_few_words() -> None:
    """Their error goes on with all that their client is made of."""
    async with linked("redis+sentinel://pool:secret@127.0.0.1:1/service/0") as link:
        error = await refused(link)
    assert error.detail.endswith("does not serve this manager: No master found for 'service'")


async def test_a_server_that_is_restarted_is_used_again(tmp_path: Path) -> None:
    """Connections that broke are made anew; scripts that it forgot are sent again."""
    with RedisServer(tmp_path) as server:
        async with linked(server.url) as link:
            await asyncio.gather(*(link.run(ECHO, "p", "x") for _ in range(10)))
            await asyncio.to_thread(server.restart)
            assert await asyncio.gather(*(link.run(ECHO, "p", "x") for _ in range(10))) == [["p", "x"]] * 10
            server.stop()
            await refused(link)
            server.start()
            await link.ping()


async def test_a_server_that_says_nothing_is_given_up_within_a_second(tmp_path: Path) -> None:
    """Its connections are there, and dead; when it goes on, so do we."""
    with RedisServer(tmp_path) as server:
        async with linked(server.url) as link:
            await link.ping()
            server.pause()
            try:
                await asyncio.gather(*(refused(link) for _ in range(5)))
            finally:
                server.resume()
            assert await link.run(ECHO, "p", "y") == ["p", "y"]


async def test_what_redis_refuses_is_no_mistake_of_ours(tmp_path: Path) -> None:
    """A full Redis may have room again; a script that is wrong stays wrong."""
    write = Script("return redis.call('SET', KEYS[1], string.rep('x', 1000000))")
    with RedisServer(tmp_path, maxmemory="1mb") as server:
        async with linked(server.url) as link:
            with pytest.raises(StoreUnavailable, match=r"OOM|maxmemory"):
                for key in "pqr":
                    await link.run(write, key)
    with RedisServer(tmp_path) as server:
        async with linked(server.url) as link:
            with pytest.raises(ResponseError, match="nonsense"):
                await link.run(Script("return nonsense()"), "p")


@pytest.mark.parametrize(("policy", "fine"), [("allkeys-lru", False), ("noeviction", True), ("volatile-ttl", True)])
async def test_a_server_that_would_forget_records_is_refused(tmp_path: Path, policy: str, fine: bool) -> None:
    """Records have no time-out, so only a policy for all keys would throw them away."""
    with RedisServer(tmp_path, maxmemory="100mb", maxmemory_policy=policy) as server:
        async with linked(server.url) as link:
            if fine:
                await link.check()
                return
            with pytest.raises(StoreUnavailable, match="set noeviction"):
                await link.check()


async def test_a_server_that_was_restarted_is_not_whole(tmp_path: Path) -> None:
    """It may have come back with less than it had: each installation finds out by itself, and before anything else."""
    whole = Script("return redis.call('EXISTS', KEYS[1] .. 'whole')")
    other = Script("return redis.call('EXISTS', KEYS[1] .. 'whole') + 10")
    with RedisServer(tmp_path, appendonly="yes", appendfsync="always") as server:
        async with linked(server.url) as link:
            for prefix in ("one:", "two:"):
                assert await link.run(whole, prefix) == 0
                async with Redis.from_url(server.url) as redis:
                    await redis.set(f"{prefix}whole", "epoch")
                assert [await link.run(each, prefix) for each in (whole, other)] == [1, 11]
            await asyncio.to_thread(server.restart)
            async with Redis.from_url(server.url) as redis:
                assert await redis.exists("one:whole", "two:whole") == 2
            assert await link.run(other, "one:") == 10
            assert await link.run(whole, "two:") == 0


async def test_news_are_heard(redis_server: RedisServer) -> None:
    """By everybody who subscribed before."""
    publish = Script("return redis.call('PUBLISH', KEYS[1] .. 'news', ARGV[1])")
    async with (
        linked(redis_server.url) as link,
        link.subscribed("p:news") as first,
        link.subscribed("p:news") as second,
    ):
        assert await link.run(publish, "p:", "hear") == 2
        assert [await anext(first), await anext(second)] == ["hear", "hear"]
        assert await link.run(publish, "p:", "ü") == 2
        assert await anext(first) == "ü"


@pytest.mark.parametrize("end", ["stop", "pause"])
async def test_a_lost_subscription_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Even when the server just says nothing any more; who listens can begin again."""
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.stores.redis.link.PING_EVERY", 0.2)
    with RedisServer(tmp_path) as server:
        async with linked(server.url) as link, link.subscribed("p:news") as news:
            heard = asyncio.ensure_future(anext(news))
            await asyncio.sleep(0.5)  # long enough for a ping that is answered
            assert not heard.done()
            getattr(server, end)()
            try:
                with pytest.raises(StoreUnavailable):
                    await heard
            finally:
                if end == "pause":
                    server.resume()


async def test_whoever_leaves_is_let_go(redis_server: RedisServer) -> None:
    """At whatever moment: a question never takes a cancellation for its own."""
    async with linked(redis_server.url) as link:

        async def ask_again_and_again() -> None:
            while True:
                await link.ping()

        for _ in range(20):
            task = asyncio.create_task(ask_again_and_again())
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task], timeout=SOON)
            assert task.cancelled()
