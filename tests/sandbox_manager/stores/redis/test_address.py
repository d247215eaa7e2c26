"""Which client an address means."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import SentinelConnectionPool

from agentscope_runtime.sandbox_manager.stores.redis.address import client_for, composed, without_secrets


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://localhost", {"host": "localhost"}),
        (
            "redis://u:p%40ss@cache:6380/3",
            {"host": "cache", "port": 6380, "db": 3, "username": "u", "password": "p@ss"},
        ),
        ("redis://:p@cache", {"password": "p"}),
        ("unix:///run/redis.sock?db=2", {"path": "/run/redis.sock", "db": 2}),
        ("rediss://cache?ssl_ca_certs=/etc/ca.pem", {"host": "cache", "ssl_ca_certs": "/etc/ca.pem"}),
        ("redis://cache?socket_timeout=7", {"socket_timeout": 7.0}),
    ],
)
def test_an_address_says_where_and_as_whom(url: str, said: dict[str, object]) -> None:
    """Everything that redis-py understands, with time-outs of a second unless it says otherwise."""
    pool = client_for(url).connection_pool
    assert isinstance(pool, BlockingConnectionPool)
    assert pool.connection_kwargs | said == pool.connection_kwargs
    assert pool.connection_kwargs["socket_timeout"] == said.get("socket_timeout", 1.0)


def connection_of(pool: Any) -> Any:
    """Return a connection that the pool makes, and does not open."""
    return pool.make_connection()


def test_the_scheme_says_how() -> None:
    """TLS and sockets of the machine."""
    assert isinstance(connection_of(client_for("rediss://cache").connection_pool), SSLConnection)
    assert isinstance(connection_of(client_for("unix:///run/r").connection_pool), UnixDomainSocketConnection)


def test_sentinels_are_listed_with_what_they_and_the_master_want_to_know() -> None:
    """The login and the database are the master's; what begins with `sentinel_` is for the sentinels."""
    pool = client_for("redis+sentinel://u:p@a:1,b/pool/3?sentinel_password=s&socket_timeout=4").connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.service_name == "pool"
    said = {"username": "u", "password": "p", "db": 3, "socket_timeout": 4.0}
    assert pool.connection_kwargs | said == pool.connection_kwargs
    of_sentinels = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in of_sentinels] == [("a", 1), ("b", 26379)]
    assert {(each["password"], each["socket_timeout"]) for each in of_sentinels} == {("s", 1.0)}


def test_sentinels_are_reached_by_tls_too() -> None:
    """With the same authorities as the master."""
    pool: Any = client_for("rediss+sentinel://a/pool?ssl_ca_certs=/etc/ca.pem").connection_pool
    assert isinstance(connection_of(pool), SSLConnection)
    (sentinel,) = pool.sentinel_manager.sentinels
    assert isinstance(connection_of(sentinel.connection_pool), SSLConnection)
    assert sentinel.connection_pool.connection_kwargs["ssl_ca_certs"] == "/etc/ca.pem"


@pytest.mark.parametrize(
    "url",
    [
        "http://cache",
        "cache:6379",
        "redis://cache:port",
        "redis://cache?socket_timout=5",
        "redis+sentinel://cache",
        "redis+sentinel:///pool",
        "redis+sentinel://a,:5/pool",
        "redis+sentinel://a:x/pool",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """With what one looks like."""
    with pytest.raises(ValueError, match="is no address of a Redis, such as redis://localhost:6379/0"):
        client_for(url)


def test_refusals_tell_no_password() -> None:
    """They are printed and logged."""
    with pytest.raises(ValueError, match="is no address") as caught:
        client_for("redis://user:hush@cache:port?password=hush")
    assert "hush" not in str(caught.value)
    assert without_secrets("rediss://user:hush@cache:1/2?password=hush") == "rediss://cache:1/2"


@pytest.mark.parametrize(
    ("user", "password", "url"),
    [
        (None, None, "redis://cache:6379/0"),
        (None, "p:/@", "redis://:p%3A%2F%40@cache:6379/0"),
        ("u", "p", "redis://u:p@cache:6379/0"),
    ],
)
def test_parts_make_an_address(user: str | None, password: str | None, url: str) -> None:
    """Whatever is in a password."""
    assert composed(host="cache", port=6379, db=0, user=user, password=password) == url
    kwargs = client_for(url).connection_pool.connection_kwargs
    assert kwargs.get("password") == password
    assert composed(host="::1", port=1, db=2, user=None, password=None) == "redis://[::1]:1/2"
