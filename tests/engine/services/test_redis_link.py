"""The way to Redis: what it does when the server is away, slow, or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fakeredis.aioredis import FakeRedis
from redis.exceptions import ConnectionError, ResponseError, TimeoutError
from redis_server import RedisServer

from agentscope_runtime.engine.errors import InvalidOption, NotStarted, StoreUnavailable
from agentscope_runtime.engine.services.redis_link import RedisLink, milliseconds

NOBODY = "redis://user:secret@127.0.0.1:1/0"
"""Where nobody listens."""


class Forgetful:
    """A client that takes a step, and may lose the answer."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.steps = 0
        self.fails = False

    def register_script(self, script: str) -> Any:
        """Return what runs it."""

        async def run(keys: list[str], args: list[Any]) -> str:
            self.steps += 1
            if self.failures:
                raise self.failures.pop(0)
            return script

        return run

    async def ping(self) -> bool:
        """Answer."""
        return True

    async def scan_iter(self, match: str) -> AsyncIterator[str]:
        """Find nothing."""
        for key in list[str]():
            yield key

    async def delete(self, *names: Any) -> int:
        """Delete nothing."""
        return 0


@pytest.mark.parametrize("url", [NOBODY, "unix:///nowhere/redis.sock"])
async def test_without_a_server_nothing_starts(url: str) -> None:
    """The error says where it was looked for, and no password."""
    link = RedisLink(url, None, {})
    with pytest.raises(StoreUnavailable, match="does not serve this application") as error:
        await link.start()
    assert "secret" not in str(error.value)
    assert ("redis://127.0.0.1:1/0" if url == NOBODY else "/nowhere/redis.sock") in str(error.value)
    assert not await link.health()
    with pytest.raises(NotStarted):
        await link.run("return 1", [], [], again=True)


async def test_a_server_that_comes_back_is_used_again(tmp_path: Path) -> None:
    """While it is away, errors are typed; connections of its former life are noticed."""
    with RedisServer(tmp_path) as server:
        link = RedisLink(server.url, None, {})
        await link.start()
        await asyncio.gather(*(link.run("return 1", [], [], again=False) for _ in range(5)))
        await asyncio.to_thread(server.stop)
        assert not await link.health()
        with pytest.raises(StoreUnavailable):
            await link.run("return 1", [], [], again=True)
        await asyncio.to_thread(server.start)
        assert await link.health()
        await asyncio.to_thread(server.restart)
        results = await asyncio.gather(*(link.run("return 1", [], [], again=False) for _ in range(5)))
        assert results == [1] * 5
        await link.stop()


async def test_a_server_that_is_silent_is_not_waited_for() -> None:
    """Longer than the time-out says."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1")
    async with server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        link = RedisLink(url, None, {"socket_timeout": 0.05, "retry_on_timeout": False})
        with pytest.raises(StoreUnavailable, match="Timeout"):
            await link.start()


async def test_few_connections_serve_many(redis_server: RedisServer) -> None:
    """Who finds all of them in use waits for one."""
    link = RedisLink(redis_server.url, None, {"max_connections": 2})
    await link.start()
    assert await asyncio.gather(*(link.run("return 1", [], [], again=False) for _ in range(200))) == [1] * 200
    await link.stop()


@pytest.mark.parametrize("lost", [ConnectionError("lost"), TimeoutError("lost")])
async def test_only_what_may_happen_twice_is_tried_twice(lost: Exception) -> None:
    """Nobody knows whether a step whose answer got lost was taken."""
    for again, retry, steps in ((False, True, 1), (True, False, 1), (True, True, 2)):
        client = Forgetful(lost, lost)
        link = RedisLink("", client, {"retry_on_timeout": retry})
        await link.start()
        with pytest.raises(StoreUnavailable, match=r"the Redis of the given client does not serve .*: lost"):
            await link.run("x", [], [], again=again)
        assert client.steps == steps
    client = Forgetful(lost)
    link = RedisLink("", client, {})
    await link.start()
    assert await link.run("x", [], [], again=True) == "x"


async def test_a_refusal_is_not_repeated() -> None:
    """The server understood, and will say the same again."""
    client = Forgetful(ResponseError("OOM command not allowed"))
    link = RedisLink("", client, {})
    await link.start()
    with pytest.raises(StoreUnavailable, match="OOM command not allowed"):
        await link.run("x", [], [], again=True)
    assert client.steps == 1


async def test_a_given_client_stays_open() -> None:
    """Whoever made it closes it; here, stopping only ends its use."""
    async with FakeRedis() as client:
        link = RedisLink("", client, {})
        await link.start()
        assert await link.run("return ARGV[1]", [], ["a"], again=True) == b"a"
        await link.stop()
        assert not await link.health()
        assert await client.ping()
        await link.start()
        assert await link.health()


async def test_other_event_loops_may_ask(redis_server: RedisServer) -> None:
    """A sync handler runs in a thread, and may bring a loop of its own, again and again."""
    link = RedisLink(redis_server.url, None, {})
    await link.start()

    def ask() -> Any:
        return asyncio.run(link.run("return 1", [], [], again=False))

    assert [await asyncio.to_thread(ask) for _ in range(3)] == [1, 1, 1]
    assert await link.run("return 1", [], [], again=False) == 1
    await asyncio.to_thread(lambda: asyncio.run(link.stop()))
    assert not await link.health()


def test_a_loop_that_is_over_is_named(redis_server: RedisServer) -> None:
    """Whoever starts a service in one `asyncio.run` and uses it in the next is told, and may start it anew."""
    link = RedisLink(redis_server.url, None, {"health_check_interval": None})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(link.start())

    async def ask() -> Any:
        return await link.run("return 1", [], [], again=False)

    with pytest.raises(NotStarted, match="another event loop, which is over: start and stop the service"):
        asyncio.run(ask())
    assert not asyncio.run(link.health())
    loop.run_until_complete(link.stop())
    loop.close()

    async def anew() -> Any:
        await link.start()
        try:
            return await ask()
        finally:
            await link.stop()

    assert [asyncio.run(anew()), asyncio.run(anew())] == [1, 1]


async def test_wrong_options_are_refused() -> None:
    """Names at once, as Python would; an address when it is first looked at."""
    options: Any = {"socket_timout": 5}
    with pytest.raises(TypeError, match="unexpected arguments: socket_timout"):
        RedisLink("", None, options)
    with pytest.raises(InvalidOption, match="redis_url is no address of a Redis, such as 'redis://localhost:6379/0'"):
        await RedisLink("http://localhost", None, {}).start()
    with pytest.raises(InvalidOption, match="ttl_seconds is 0"):
        milliseconds(0)
    assert [milliseconds(ttl) for ttl in (None, 0.0001, 1.5, 3600)] == ["", "1", "1500", "3600000"]
