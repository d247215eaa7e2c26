"""Where a Redis is, in one URL, and the client that it means.

    redis://[user:password@]host[:port][/db]            rediss://… for TLS (?ssl_ca_certs=/path/ca.pem)
    unix://[user:password@]/path/of/socket[?db=1]
    redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db][?sentinel_password=…]   rediss+sentinel://…

Any node of a Redis Cluster may be named, in the first form: from there it is one MOVED to the node that has the keys of
an installation (`elsewhere`). Further options of redis-py's connections follow as a query (`?socket_timeout=3`).
Nothing connects here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from redis.asyncio import Redis

ANSWER_WITHIN = 1.0
"""Seconds that Redis may take to connect and to answer; it answers within a millisecond, or something is wrong."""
CONNECTIONS = 64
"""Connections at once. Each carries one question at a time, of about half a millisecond."""
ROOM_WITHIN = 2.0
"""Seconds until a question that finds all connections in use is given up."""
SENTINEL_PORT = 26379
SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
_EXAMPLE = "such as redis://localhost:6379/0, rediss://…, unix:///path or redis+sentinel://host,host/service"


def client_for(url: str) -> Redis:
    """Return a client for this address, not connected yet. Its answers are text.

    Raises:
        ValueError: It is no address of a Redis, or has options that a connection does not.
    """
    # 2, since on RESP3 redis-py 8 takes what a server said when it closed a connection for news.
    options: dict[str, Any] = {"decode_responses": True, "protocol": 2, "retry": _no_retries()}
    options |= {"socket_timeout": ANSWER_WITHIN}
    if not url.startswith("unix:"):
        options |= {"socket_connect_timeout": ANSWER_WITHIN, "socket_keepalive": True}
    try:
        client = _sentinel(url, options) if urlsplit(url).scheme in SENTINEL_SCHEMES else _direct(url, options)
        # Options are looked at when a connection is made, not before.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{without_secrets(url)!r} is no address of a Redis, {_EXAMPLE}: {error}") from error
    return client


async def close(client: Redis) -> None:
    """Close the connections of a client, those to sentinels, too."""
    await client.aclose()
    manager = getattr(client.connection_pool, "sentinel_manager", None)
    for sentinel in manager.sentinels if manager is not None else ():
        await sentinel.aclose()


def composed(*, host: str, port: int, db: int, user: str | None, password: str | None) -> str:
    """Return the URL that these parts make."""
    login = f"{quote(user or '', safe='')}:{quote(password or '', safe='')}@" if user or password else ""
    return f"redis://{login}{_netloc(host, port)}/{db}"


def elsewhere(url: str, host: str, port: int) -> str:
    """Return the address of another node of the same cluster."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}{_netloc(host, port)}"))


def without_secrets(url: str) -> str:
    """Return the address as it may be told: without user, password and options."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _no_retries() -> Any:
    """Send each question once: nobody knows whether a step whose answer got lost was taken."""
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Retry(NoBackoff(), 0)


def _direct(url: str, options: dict[str, Any]) -> Redis:
    from redis.asyncio import BlockingConnectionPool, Redis

    pool = BlockingConnectionPool.from_url(url, max_connections=CONNECTIONS, timeout=ROOM_WITHIN, **options)
    return Redis.from_pool(pool)


def _sentinel(url: str, options: dict[str, Any]) -> Redis:
    """Return a client for the master that the sentinels name, whichever that is when a connection is made."""
    from redis.asyncio.connection import parse_url
    from redis.asyncio.sentinel import Sentinel

    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    if not hosts or not service:
        raise ValueError("it names the sentinels and the service")
    # The rest is read as of any other address: what follows the login and the sentinels is the same.
    plain = urlunsplit((parts.scheme.partition("+")[0], f"{login}@localhost", f"/{db}", parts.query, ""))
    said = dict(parse_url(plain))
    for name in ("host", "port"):
        said.pop(name, None)
    tls = said.pop("connection_class", None) is not None
    of_sentinels = {name.removeprefix("sentinel_"): said.pop(name) for name in list(said) if name[:9] == "sentinel_"}
    of_sentinels |= {name: value for name, value in options.items() if name.startswith("socket_") or name == "retry"}
    if tls:
        said["ssl"] = of_sentinels["ssl"] = True
        of_sentinels |= {name: value for name, value in said.items() if name.startswith("ssl_")}
    sentinels = [_host_and_port(each) for each in hosts.split(",")]
    found = Sentinel(sentinels, sentinel_kwargs=of_sentinels, **(options | said))  # type: ignore[no-untyped-call]
    master: Redis = found.master_for(unquote(service))
    return master


def _host_and_port(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(f"{text!r} is no host")
    return parts.hostname, parts.port or SENTINEL_PORT
