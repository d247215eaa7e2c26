"""What the stores cost by themselves: claims a second, and whether a step takes longer where there are many leases.

No sandbox, no manager, no HTTP: records only. Redis runs on the same machine, as it does for managers that share one.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.report import Series
from redis_server import RedisServer
from stores import ENDING, ME, NONE, draft, shared

from agentscope_runtime.sandbox_manager.states import LeaseKey, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores import Store
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore

AT_ONCE = 32
"""Callers at the same time; in memory it makes no difference."""
ROUND = 800
FEW, MANY = 10, 10_000
SHARE = 100
"""Every so many leases one is idle: what a reaper's look has to end."""
Opened = Callable[[], AbstractAsyncContextManager[Store]]


def key(number: int) -> LeaseKey:
    """Name a session."""
    return LeaseKey(f"user-{number % 97}", f"session-{number}")


def leased(number: int) -> SandboxRecord:
    """Make the record of a leased sandbox; every SHARE-th was not used for long."""
    now = 0.0 if number % SHARE == 0 else 1e6
    made = replace(draft(), state=State.LEASED, key=key(number), generation=1, leased_at=now, last_active_at=now)
    return replace(made, expires_at=1e9)


async def with_leases(store: Store, count: int) -> None:
    """Have so many leases."""
    for number in range(count):
        assert await store.adopt(leased(number))


async def with_free(store: Store, count: int) -> None:
    """Have so many free warm sandboxes."""
    for _ in range(count):
        assert await store.adopt(replace(draft(), state=State.WARM))


async def claim(store: Store, number: int) -> None:
    """Claim a sandbox that is there."""
    claimed = await store.claim(Wish(key(number), ("base",)), {}, limits=NONE, now=2e6)
    assert claimed.lease is not None


async def speed(store: Store) -> float:
    """Return claims a second of AT_ONCE callers on free sandboxes."""
    await with_free(store, ROUND)
    sessions = iter(range(10**6, 10**6 + ROUND))

    async def caller() -> None:
        for number in sessions:
            await claim(store, number)

    begin = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    rate = ROUND / (time.perf_counter() - begin)
    for number in range(10**6, 10**6 + ROUND):
        for record in (await store.end_lease(key(number), ENDING)).ended:
            await store.forget(record.sandbox_id)
    return rate


async def latencies(one: Store, other: Store, n: int) -> tuple[list[float], list[float]]:
    """Return the microseconds of single claims at two stores, by turns: what the machine does meanwhile hits both."""
    found: tuple[list[float], list[float]] = [], []
    for store in (one, other):
        await with_free(store, n)
    for number in range(n):
        for store, samples in zip((one, other), found, strict=True):
            begin = time.perf_counter()
            await claim(store, 10**6 + number)
            samples.append((time.perf_counter() - begin) * 1e6)
    return found


async def tick(store: Store) -> float:
    """Return the milliseconds of what a reaper asks on each look, when one of SHARE leases is idle."""
    begin = time.perf_counter()
    idle = await store.end_idle(idle_since=1.0, ending=ENDING)
    await store.end_expired(now=2e6, suspended_before=0.0, ending=ENDING)
    took = (time.perf_counter() - begin) * 1000
    assert len(idle) == MANY // SHARE
    return took


async def _measured(opened: Opened, name: str, target: float, n: int) -> list[Series]:
    speeds = Series(f"claims at the store, {name}", unit="claims/s", target=target, at_least=True)
    few = Series(f"one claim at the store, {FEW} leases, {name}", unit="µs")
    many = Series(f"one claim at the store, {MANY} leases, {name}", unit="µs")
    ratio = Series(f"one claim at the store, {MANY} leases against {FEW}, {name}", unit="times", target=1.3)
    ticks = Series(f"the reaper's look at {MANY} leases, {name}", target=200, target_p95=True)
    async with opened() as store:
        speeds.samples += [await speed(store) for _ in range(max(3, n // 20))]
    for _ in range(max(3, n // 50)):
        async with opened() as one, opened() as other:
            await with_leases(one, FEW)
            await with_leases(other, MANY)
            at_few, at_many = await latencies(one, other, 200)
            ticks.samples.append(await tick(other))
        few.samples += at_few
        many.samples += at_many
        ratio.samples.append(median(at_many) / median(at_few))
    return [speeds, few, many, ratio, ticks]


@asynccontextmanager
async def _memory() -> AsyncIterator[Store]:
    yield MemoryStore(ME)


def stores(n: int) -> list[Series]:
    """Measure the store in memory, and the one in Redis."""
    found = asyncio.run(_measured(_memory, "memory", 1500, n))
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:

        @asynccontextmanager
        async def in_redis() -> AsyncIterator[Store]:
            async with shared(redis.url, ME) as (store,):
                yield store

        found += asyncio.run(_measured(in_redis, "Redis", 800, n))
    return found
