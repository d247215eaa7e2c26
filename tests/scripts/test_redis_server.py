"""The Redis that tests start for themselves: there at once, gone at once, empty each time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own."""
    with RedisServer(tmp_path / "redis") as running:
        yield running


def test_it_answers_as_soon_as_it_is_started(server: RedisServer) -> None:
    """No test has to wait or to try again."""
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        client.set("a", "b")
        assert client.get("a") == "b"


def test_two_do_not_meet(server: RedisServer, tmp_path: Path) -> None:
    """Each has a port of its own, and its own keys."""
    with RedisServer(tmp_path / "other") as other, redis.Redis.from_url(other.url) as client:
        assert other.url != server.url
        with redis.Redis.from_url(server.url) as first:
            first.set("a", "b")
        assert client.exists("a") == 0


def test_a_restart_keeps_the_address_and_loses_the_keys(server: RedisServer) -> None:
    """A client that connects again finds an empty server."""
    url = server.url
    with redis.Redis.from_url(url) as client:
        client.set("a", "b")
        server.restart()
        assert server.url == url
        assert client.exists("a") == 0


def test_it_leaves_no_file_and_no_process(server: RedisServer) -> None:
    """Nobody answers after stop(), which may be called twice."""
    with redis.Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client:
        client.set("a", "b")
        server.stop()
        server.stop()
        with pytest.raises(redis.ConnectionError):
            client.ping()
    assert list(server.folder.iterdir()) == []


def test_a_machine_without_redis_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is skipped, or failed in CI, with the command that mends it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    assert shutil.which("redis-server") is None
    with pytest.raises(pytest.skip.Exception, match="make redis"):
        RedisServer(tmp_path / "redis").start()
