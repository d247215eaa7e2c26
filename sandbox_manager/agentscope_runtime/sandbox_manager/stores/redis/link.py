"""The way to Redis: scripts that each are one atomic step, news from other managers, errors of our family.

Each question is sent once: after a lost answer nobody knows whether the step was taken, and the caller decides. It is
answered within about a second, or refused: a call that waits longer helps nobody. Connections come back by themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.stores.redis.address import (
    ANSWER_WITHIN,
    client_for,
    close,
    elsewhere,
    without_secrets,
)
from agentscope_runtime.sandbox_manager.stores.redis.courier import Closed, Courier, Question

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub
    from redis.exceptions import RedisError

T = TypeVar("T")

RETRY_AFTER = 2.0
"""Seconds that a caller is told to wait: a Redis that is restarted is back about then."""
PING_EVERY = 5.0
"""Seconds of silence after which a subscription is tried: a connection that broke without a word looks the same."""
NAMESPACE = "agentscope"
WHOLE = "whole"
"""The key of an installation that says whether everything is known that is; see `Membership.is_whole`."""


def prefix_of(installation: str) -> str:
    """Return what the names of all keys of an installation begin with; braces keep them in one slot of a cluster."""
    return f"{NAMESPACE}:{{{installation}}}:"


@dataclass(frozen=True, slots=True)
class Script:
    """A step in Lua."""

    source: str

    @property
    def sha(self) -> str:
        """What Redis calls it."""
        return _sha(self.source)

    def of(self, prefix: str) -> Script:
        """Return the same script as one of an installation's own, which its server has met or not."""
        return _script_of(self.source, prefix)


@cache
def script(*names: str) -> Script:
    """Return the script that these files of `lua/` make, one after the other."""
    folder = files(__package__) / "lua"
    return Script("\n".join((folder / f"{name}.lua").read_text(encoding="utf-8") for name in names))


@lru_cache(maxsize=256)
def _script_of(source: str, prefix: str) -> Script:
    return Script(f"-- {prefix}\n{source}")


@lru_cache(maxsize=256)
def _sha(source: str) -> str:
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class RedisLink:
    """One Redis, and connections to it as they are needed."""

    def __init__(self, url: str) -> None:
        """Describe the link; nothing connects before the first question.

        Raises:
            ValueError: That is no address of a Redis.
        """
        self._url = url
        self._client = self._first = client_for(url)
        self._others: dict[str, Redis] = {}  # other nodes of a cluster, by address
        self._courier = Courier(self._deliver)
        self.where = f"Redis at {without_secrets(url)}"
        """For messages; holds no secret."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._courier.aclose()
        for client in (self._first, *self._others.values()):
            await close(client)

    async def run(self, step: Script, prefix: str, *args: str) -> Any:
        """Run a script on the keys that begin with `prefix`, which is its only key.

        A server that has never met this installation, since it was restarted or is a replica that has taken over, may
        have lost the last that was written. Before anything else is done there, it counts as not whole.

        Raises:
            StoreUnavailable: Redis does not answer, or refuses. The step may have been taken.
        """
        try:
            return await self._courier.ask(step.of(prefix), prefix, args)
        except Closed as error:
            raise self._unavailable("it is closed") from error
        except StoreUnavailable as error:
            # A copy, since all questions of a packet get it, and each adds its own traceback.
            raise StoreUnavailable(error.detail, **error.extras) from error

    async def once(self, name: str, value: str) -> str:
        """Keep `value` under this name of no installation, unless there is one; return the one that is kept.

        Raises:
            StoreUnavailable: Redis does not answer, or refuses.
        """

        async def keep(client: Redis) -> str:
            key = f"{NAMESPACE}:{name}"
            await client.set(key, value, nx=True)
            return str(await client.get(key))

        return await self._asked(keep)

    async def ping(self) -> None:
        """Return if Redis answers.

        Raises:
            StoreUnavailable: It does not, or refuses.
        """

        async def ask(client: Redis) -> None:
            await client.execute_command("PING")  # type: ignore[no-untyped-call]

        await self._asked(ask)

    async def check(self) -> None:
        """Return if Redis answers, and keeps what it is given.

        Raises:
            StoreUnavailable: It does not, or refuses; or it throws keys away when it is full: records would be lost, or
                worse, parts of them.
        """

        async def ask(client: Redis) -> dict[str, Any]:
            from redis.exceptions import NoPermissionError

            try:
                return dict(await client.info("memory"))
            except NoPermissionError:  # then nobody can know
                return {}

        said = await self._asked(ask)
        policy = str(said.get("maxmemory_policy", ""))
        if int(said.get("maxmemory", 0)) and policy.startswith("allkeys"):
            raise self._unavailable(f"it throws keys away when it is full (maxmemory-policy {policy}); set noeviction")

    @asynccontextmanager
    async def subscribed(self, channel: str) -> AsyncIterator[AsyncIterator[str]]:
        """Hear what is published there from now on; the iteration ends by an error only.

        Raises:
            StoreUnavailable: The connection is lost, or there was none; what is published then, is missed.
        """
        pubsub = self._client.pubsub()
        try:
            await self._translated(pubsub.subscribe(channel))
            yield self._messages(pubsub)
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _messages(self, pubsub: PubSub) -> AsyncIterator[str]:
        asked = False
        while True:
            message = await self._translated(pubsub.get_message(timeout=ANSWER_WITHIN if asked else PING_EVERY))
            if message is None:
                if asked:
                    raise self._unavailable("a subscription got no answer")
                await self._translated(pubsub.ping())
            asked = message is None
            if message is not None and message["type"] == "message":
                yield str(message["data"])

    async def _deliver(self, questions: Sequence[Question]) -> list[Any]:
        from redis.exceptions import MovedError, NoScriptError, RedisError

        async def ask(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for step, prefix, args in questions:
                pipe.execute_command("EVALSHA", step.sha, 1, prefix, *args)
            return await pipe.execute(raise_on_error=False)

        answers = await self._asked(ask)
        for at, (answer, (step, prefix, args)) in enumerate(zip(answers, questions, strict=True)):
            if isinstance(answer, NoScriptError | MovedError):
                try:
                    answers[at] = await self._asked(partial(_evaluate, step=step, prefix=prefix, args=args))
                except (StoreUnavailable, RedisError) as error:
                    answers[at] = error
            elif isinstance(answer, RedisError):
                answers[at] = self._as_ours(answer)
        return answers

    async def _asked(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        from redis.exceptions import MovedError

        async def asked() -> T:
            try:
                return await question(self._client)
            except MovedError as error:  # nothing was done there
                self._client = self._node(elsewhere(self._url, error.host, error.port))
                return await question(self._client)

        try:
            return await self._translated(asked())
        except StoreUnavailable:
            self._client = self._first  # it says who has taken the place of a node that is gone
            raise

    def _node(self, url: str) -> Redis:
        return self._others.get(url) or self._others.setdefault(url, client_for(url))

    async def _translated(self, answer: Awaitable[T]) -> T:
        from redis.exceptions import RedisError

        try:
            with _cancellable():
                return await answer
        except RedisError as error:
            raise self._as_ours(error) from error
        except OSError as error:
            raise self._unavailable(error) from error

    def _as_ours(self, error: RedisError) -> Exception:
        from redis.exceptions import ResponseError

        if type(error) is ResponseError and not _is_refusal(str(error)):
            return error  # a mistake in a script: ours, and nothing that time mends
        return self._unavailable(error)

    def _unavailable(self, reason: object) -> StoreUnavailable:
        why = str(reason).partition(" : <")[0] or type(reason).__name__  # sentinels' errors go on with whole clients
        return StoreUnavailable(f"{self.where} does not serve this manager: {why}", retry_after=RETRY_AFTER)


@contextmanager
def _cancellable() -> Iterator[None]:
    """Raise a cancellation that came while the context was open, and that somebody in there has swallowed.

    redis-py sends by `asyncio.wait_for`, which does so until Python 3.12 whenever the sending is just done.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


async def _evaluate(client: Redis, step: Script, prefix: str, args: tuple[str, ...]) -> Any:
    from redis.exceptions import NoScriptError

    ask: Callable[..., Awaitable[Any]] = client.execute_command
    try:
        return await ask("EVALSHA", step.sha, 1, prefix, *args)
    except NoScriptError:
        await _introduce(ask, prefix)
        await ask("SCRIPT LOAD", step.source)
        return await ask("EVALSHA", step.sha, 1, prefix, *args)


async def _introduce(ask: Callable[..., Awaitable[Any]], prefix: str) -> None:
    """Let the server forget that it is whole, unless it has met this installation: scripts are in its memory only."""
    met = script("met").of(prefix)
    if await ask("SCRIPT EXISTS", met.sha) != [True]:
        await ask("DEL", f"{prefix}{WHOLE}")
        await ask("SCRIPT LOAD", met.source)


def _is_refusal(message: str) -> bool:
    """Tell whether a reply says that the server does not want to now (`OOM …`), other than `ERR …`."""
    code = message.partition(" ")[0]
    return code.isupper() and code.isalpha() and code != "ERR"
