"""Every store under many callers at once, in the names of two managers: no sandbox is given to two sessions, ever."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis_server import RedisServer
from stores import ENDING, ME, OTHER, STORES, draft, shared

from agentscope_runtime.sandbox.errors import PoolExhausted
from agentscope_runtime.sandbox_manager.states import OCCUPYING, LeaseKey, Limits, State, Wish
from agentscope_runtime.sandbox_manager.stores import Store
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore

LONG = bool(os.environ.get("CHAOS_DURATION"))
CLAIMS = {"memory": 100_000 if LONG else 20_000, "redis": 100_000 if LONG else 5_000}
CALLERS = 64
KEYS = [LeaseKey(f"user-{number % 5}", f"session-{number}") for number in range(40)]
LIMITS = Limits(total=24, per_user=20)
"""Fewer than there are sessions, so that they compete."""


@asynccontextmanager
async def opened(name: str, request: pytest.FixtureRequest) -> AsyncIterator[list[Store]]:
    """Open one store in the names of two managers; in memory there is but one."""
    if name == "memory":
        yield [MemoryStore(ME)]
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    async with shared(server.url, ME, OTHER) as stores:
        yield list(stores)


class Crowd:
    """Callers that connect and release, whoever's turn it is."""

    def __init__(self, stores: list[Store], claims: int) -> None:
        self.stores = stores
        self.left = claims
        self.granted = 0
        self.holders: dict[str, LeaseKey] = {}  # of every sandbox that was ever leased
        self.dice = random.Random(7)  # noqa: S311 - dice, no secret

    @property
    def store(self) -> Store:
        """Any of the managers'."""
        return self.dice.choice(self.stores)

    async def caller(self) -> None:
        """Claim until enough was claimed by all; release now and then."""
        while self.left > 0:
            self.left -= 1
            key = self.dice.choice(KEYS)
            await self.connect(key)
            if self.dice.random() < 0.5:
                await self.release(key)
            await asyncio.sleep(0)

    async def connect(self, key: LeaseKey) -> None:
        """Claim once, and have ready what that begins; what is granted was never another's."""
        try:
            claimed = await self.store.claim(Wish(key, ("base",)), {"base": draft()}, limits=LIMITS, now=1.0)
        except PoolExhausted:
            return
        for record in claimed.begun:
            await self.store.mark_ready(record.sandbox_id)
        if claimed.lease is not None:
            (record,) = claimed.lease.sandboxes
            assert self.holders.setdefault(record.sandbox_id, key) == key, "two sessions have one sandbox"
            self.granted += len(claimed.granted)

    async def release(self, key: LeaseKey) -> None:
        """End what a session has, and have it gone."""
        for record in (await self.store.end_lease(key, ENDING)).ended:
            await self.store.forget(record.sandbox_id)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORES)
async def test_no_sandbox_is_given_to_two(name: str, request: pytest.FixtureRequest) -> None:
    """However many ask at once, for however few."""
    async with opened(name, request) as stores:
        crowd = Crowd(stores, CLAIMS[name])
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(crowd.caller())
        left = await stores[0].sandboxes()
    assert crowd.granted == len(crowd.holders), "each was granted once"
    assert crowd.granted > CLAIMS[name] // 20
    assert sum(record.state in OCCUPYING for record in left) <= LIMITS.total
    leased = [record.key for record in left if record.state is State.LEASED]
    assert len(leased) == len(set(leased))
