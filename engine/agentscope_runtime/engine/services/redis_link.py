"""The way to Redis that the services share: its options, scripts that each are one atomic step, errors of our family.

What is sent is sent once: nobody knows whether a step whose answer got lost was taken. Only steps that may be taken
twice are tried again. Connections belong to the event loop that opened them: what is asked in another one, as sync
handlers may have in their threads, is sent by the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar
from urllib.parse import urlsplit

from agentscope_runtime.engine.errors import InvalidOption, NotStarted, StoreUnavailable
from agentscope_runtime.engine.services.base import Service, not_started
from agentscope_runtime.engine.services.keys import quoted

if TYPE_CHECKING:
    from redis.asyncio import Redis

DEFAULT_URL = "redis://localhost:6379/0"
DEFAULT_PREFIX = "agentscope_runtime"

T = TypeVar("T")

Argument = str | bytes | int
"""What a script takes."""


class RedisClient(Protocol):
    """What is needed of a client that somebody else made; `redis.asyncio.Redis` is one, in either form of answers."""

    def register_script(self, script: str) -> Any:
        """Prepare a script that is called with keys and arguments."""
        ...

    def ping(self) -> Any:
        """Ask whether the server answers."""
        ...

    def scan_iter(self, match: str) -> AsyncIterator[Any]:
        """Return all keys that match."""
        ...

    def delete(self, *names: Any) -> Awaitable[Any] | Any:
        """Forget keys."""
        ...


class ConnectionOptions(TypedDict, total=False):
    """How connections of our own are made, under the names that redis-py has for it."""

    socket_timeout: float | None
    """Seconds that an answer may take; 5 if not said otherwise."""
    socket_connect_timeout: float | None
    """Seconds that connecting may take; 5 if not said otherwise."""
    max_connections: int | None
    """Connections at once; 50 if not said otherwise. Who finds all in use waits, at most as long as for an answer."""
    retry_on_timeout: bool
    """Whether a question whose answer got lost is asked once more; it is, if not said otherwise."""
    health_check_interval: float | None
    """Seconds after which an unused connection is tried before it is used; 30 if not said otherwise."""
    socket_keepalive: bool
    """Whether the system looks after silent connections; it does, if not said otherwise."""


_DEFAULTS: ConnectionOptions = {
    "socket_timeout": 5.0,
    "socket_connect_timeout": 5.0,
    "max_connections": 50,
    "retry_on_timeout": True,
    "health_check_interval": 30.0,
    "socket_keepalive": True,
}


class RedisLink(Service):
    """One Redis, reached over connections of our own, or over a client that somebody else made and will close."""

    def __init__(self, url: str, client: RedisClient | None, options: ConnectionOptions) -> None:
        """Describe the link; nothing connects before the start.

        Args:
            url: Where Redis is.
            client: One that is connected already, instead; then neither the address nor the options count.
            options: How to connect.
        """
        if unknown := sorted(options.keys() - _DEFAULTS.keys()):
            raise TypeError(f"unexpected arguments: {', '.join(unknown)}")
        self._url = url
        self._options: ConnectionOptions = {**_DEFAULTS, **options}
        self._given = client
        self._own: Redis | None = None
        self._scripts: dict[str, Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # whose the connections are

    async def start(self) -> None:
        """Connect, and find out whether the server answers.

        Raises:
            StoreUnavailable: it does not.
        """
        if self._scripts is not None and self._loop is not None and not self._loop.is_closed():
            return
        self._loop = asyncio.get_running_loop()
        if self._given is None:
            self._own = self._connection()
        self._scripts = {}
        try:
            await self._asked(lambda client: client.ping())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the connections, if they are our own."""
        self._scripts = None
        own, self._own = self._own, None
        # Connections of a loop that has ended are closed already, and could not be any more.
        if own is not None and self._loop is not None and self._loop.is_running():
            await self._in_its_loop(own.aclose)

    async def health(self) -> bool:
        """Ask whether the server answers; False before the start, too."""
        if self._scripts is None:
            return False
        try:
            await self._asked(lambda client: client.ping())
        except (StoreUnavailable, NotStarted):
            return False
        return True

    async def run(self, script: str, keys: Sequence[str], args: Sequence[Argument], *, again: bool) -> Any:
        """Run a script and return what it answers.

        Args:
            script: In Lua.
            keys: All keys that it touches; they have the same hash tag, so that a cluster can run it.
            args: Its arguments.
            again: Whether it may run twice, when nobody knows whether it ran.

        Raises:
            NotStarted: this was not started.
            StoreUnavailable: the server does not answer, or refuses.
        """

        async def run_on(client: RedisClient) -> Any:
            scripts = self._scripts if self._scripts is not None else {}
            prepared = scripts.get(script) or scripts.setdefault(script, client.register_script(script))
            return await prepared(keys=list(keys), args=list(args))

        return await self._asked(run_on, again=again)

    async def forget(self, pattern: str) -> None:
        """Forget all keys that match; they are looked for in the whole database."""

        async def forget_on(client: RedisClient) -> None:
            async for key in client.scan_iter(match=pattern):
                await client.delete(key)

        await self._asked(forget_on, again=True)

    async def _asked(self, question: Any, *, again: bool = True) -> Any:
        return await self._in_its_loop(lambda: self._answered(question, again=again))

    async def _in_its_loop(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Make a call in the loop whose the connections are, from whichever loop."""
        loop = self._loop
        if loop is None or loop is asyncio.get_running_loop():
            return await call()
        if not loop.is_running():
            raise NotStarted(
                f"{self._where()} was connected to in another event loop, which is over: "
                "start and stop the service in the loop that uses it"
            )
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), loop))

    async def _answered(self, question: Any, *, again: bool) -> Any:
        from redis.exceptions import ConnectionError, RedisError, TimeoutError

        tries = 2 if again and self._options["retry_on_timeout"] else 1
        while True:
            client = self._given or self._own
            if self._scripts is None or client is None:
                raise not_started()
            tries -= 1
            try:
                return await question(client)
            except (ConnectionError, TimeoutError) as error:
                if not tries:
                    raise self._unavailable(error) from error
            except RedisError as error:
                raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"{self._where()} does not serve this application: {error or type(error).__name__}")

    def _where(self) -> str:
        """Say which Redis this is, without what the address holds beside it: passwords."""
        if self._given is not None:
            return "the Redis of the given client"
        parts = urlsplit(self._url)
        return f"Redis at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def _connection(self) -> Redis:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options = dict(self._options)
        del options["retry_on_timeout"]  # ours: redis-py would send again whatever it was
        options["max_connections"] = options["max_connections"] or _DEFAULTS["max_connections"]
        options["health_check_interval"] = options["health_check_interval"] or 0
        if self._url.startswith("unix:"):
            del options["socket_keepalive"], options["socket_connect_timeout"]
        # An own retry that does not: redis-py's default tries ten times.
        options |= {"timeout": options["socket_timeout"], "retry": Retry(NoBackoff(), 0)}
        # On RESP3, redis-py 8 takes what a server said when it closed a connection for news, and uses it once more.
        options["protocol"] = 2
        try:
            pool = BlockingConnectionPool.from_url(self._url, **options)
        except ValueError as error:
            raise InvalidOption(f"redis_url is no address of a Redis, such as {DEFAULT_URL!r}: {error}") from error
        return Redis.from_pool(pool)


def key_of(prefix: str, kind: str, user_id: str, *rest: tuple[str, str]) -> str:
    """Return the key of what is a user's; all of theirs have one hash tag.

    Args:
        prefix: What sets this application's keys apart from others in the same Redis.
        kind: What is kept there: `state`.
        user_id: Whose it is.
        rest: Further parts: what each is, and its name.
    """
    parts = "".join(f":{quoted(name, what)}" for what, name in rest)
    return f"{prefix}:{kind}:{{u:{quoted(user_id, 'user_id')}}}{parts}"


def milliseconds(ttl_seconds: float | None) -> str:
    """Return a time to live as scripts take it; empty for none."""
    if ttl_seconds is not None and ttl_seconds <= 0:
        raise InvalidOption(f"ttl_seconds is {ttl_seconds:g}; it must be more than 0, or None for no limit")
    return "" if ttl_seconds is None else str(max(1, round(ttl_seconds * 1000)))


def as_bytes(value: bytes | str) -> bytes:
    """Return what a client answered as bytes, whether it decodes answers or not."""
    return value.encode() if isinstance(value, str) else value
