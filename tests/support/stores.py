"""Every store there is, and the short words in which their contract is written."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace

from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import NO_OPTIONS, Ending, LeaseKey, Limits, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores import Claim, Store
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.stores.news import News, Room
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink, Script
from agentscope_runtime.sandbox_manager.stores.redis.store import RedisStore

ME, OTHER = "mgr-me", "mgr-other"
NONE = Limits()
LONG_AGO = 1.0


@asynccontextmanager
async def _memory(redis: Callable[[], str]) -> AsyncIterator[Store]:
    yield MemoryStore(ME)


@asynccontextmanager
async def _redis(redis: Callable[[], str]) -> AsyncIterator[Store]:
    async with shared(redis(), ME) as (store,):
        yield store


@asynccontextmanager
async def shared(url: str, *managers: str) -> AsyncIterator[list[RedisStore]]:
    """Open an empty store in Redis that nobody else uses, in the names of these managers."""
    link, installation = RedisLink(url), f"test-{secrets.token_hex(8)}"
    stores = [RedisStore(link, installation, manager) for manager in managers]
    try:
        await make_whole(stores[0])
        yield stores
    finally:
        await link.aclose()


async def make_whole(store: RedisStore) -> None:
    """Say what the leader of an installation says when it has looked for what there is."""
    await store._link.run(Script("return redis.call('SET', KEYS[1] .. 'whole', 'epoch')"), store._prefix)


async def declare_whole(url: str, installation: str) -> None:
    """Say it before any store is open."""
    link = RedisLink(url)
    await make_whole(RedisStore(link, installation, ME))
    await link.aclose()


STORES: dict[str, Callable[[Callable[[], str]], AbstractAsyncContextManager[Store]]] = {
    "memory": _memory,
    "redis": _redis,
}
"""Opens an empty store of each kind, given how to get the address of a Redis; a new one joins here, and has to pass
`tests/contracts/test_stores*.py`."""

ENDING = Ending("was released")
DEATH = Ending("ended with exit code 137", died=True)
ALICE, BOB, CAROL = LeaseKey("alice", "s"), LeaseKey("bob", "s"), LeaseKey("carol", "s")


_count = 0


def draft(kind: str = "base") -> SandboxRecord:
    """Make a record of a sandbox that nobody knows yet."""
    global _count
    _count += 1
    return SandboxRecord(f"sbx-{_count:020}", kind, State.STARTING, f"image-{kind}", float(_count), "token", manager=ME)


async def starting(store: Store, kind: str = "base") -> str:
    """Record a start for the pool."""
    record = draft(kind)
    assert await store.record_start(record, limits=NONE)
    return record.sandbox_id


async def warm(store: Store, kind: str = "base") -> str:
    """Have a free warm sandbox."""
    sandbox_id = await starting(store, kind)
    assert await store.mark_ready(sandbox_id) is not None
    return sandbox_id


async def claim(
    store: Store,
    key: LeaseKey,
    *kinds: str,
    limits: Limits = NONE,
    now: float = 100.0,
    drafts: bool = True,
    options: LeaseOptions = NO_OPTIONS,
    volume: str = "",
) -> Claim:
    """Claim these kinds, with drafts for all."""
    made = {kind: replace(draft(kind), volume=volume) for kind in kinds} if drafts else {}
    return await store.claim(Wish(key, kinds, options), made, limits=limits, now=now)


def ids(claimed: Claim) -> list[str]:
    """Return the names in the lease of a claim."""
    assert claimed.lease is not None
    return [record.sandbox_id for record in claimed.lease.sandboxes]


async def leased(store: Store, key: LeaseKey, *kinds: str, now: float = 100.0) -> list[str]:
    """Give `key` a lease of warm sandboxes."""
    for kind in kinds:
        await warm(store, kind)
    return ids(await claim(store, key, *kinds, drafts=False, now=now))


async def suspended(store: Store, key: LeaseKey, kind: str = "base", now: float = 200.0) -> str:
    """Give `key` a lease that is suspended since `now`."""
    (sandbox_id,) = await leased(store, key, kind, now=LONG_AGO)
    for lease in await store.suspend_idle(idle_since=LONG_AGO):
        for record in lease.sandboxes:
            assert await store.mark_suspended(record.sandbox_id, now=now) is not None
    return sandbox_id


async def states(store: Store) -> dict[str, State]:
    """Return the state of every record."""
    return {record.sandbox_id: record.state for record in await store.sandboxes()}


class Ear:
    """What a manager hears."""

    def __init__(self, store: RedisStore) -> None:
        self._news = store.news()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Ear:
        """Begin to listen; there may be room, since nothing was heard before."""
        await self._stack.enter_async_context(aclosing(self._news))  # type: ignore[type-var]
        assert await anext(self._news) == Room()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def hear(self, *expected: News) -> None:
        """Hear exactly this next."""
        async with asyncio.timeout(5):
            assert [await anext(self._news) for _ in expected] == list(expected)
