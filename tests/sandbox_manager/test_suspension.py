"""Sandboxes that are suspended when nobody uses them, in virtual time; how they come back is in `test_waking`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_pool import RESTING, ids, key, suspended, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import (
    PoolExhausted,
    SandboxNotFound,
)
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.events import LeaseEnded, LeaseSuspended
from agentscope_runtime.sandbox_manager.states import Limits, SandboxRecord, State


@virtual
async def test_an_idle_lease_is_suspended_after_the_timeout() -> None:
    """Its container is gone, its workspace is not, and it is still its session's lease."""
    async with world(RESTING) as w:
        lease = await w.pool.connect(key(), ["base", "browser"])
        await asyncio.sleep(299.0)
        assert w.containers == set(ids(lease))
        await asyncio.sleep(2.0)
        assert not w.containers
        assert set(w.backend.engine.loose) == set(ids(lease))
        (held,) = await w.pool.leases()
        assert [(record.sandbox_id, record.state) for record in held.sandboxes] == [
            (name, State.SUSPENDED) for name in ids(lease)
        ]
        (told,) = w.happenings(LeaseSuspended)
        assert told == LeaseSuspended(key(), tuple(ids(lease)), "idle for 300 s")
        info = held.sandboxes[0].to_info()
        assert (info.state, info.restored) == ("suspended", False)
        assert info.suspended_at is not None


@virtual
async def test_a_use_in_the_moment_of_its_suspension_waits_for_it() -> None:
    """The container goes first, and then there is a new one."""
    async with world(RESTING) as w:
        lease = await w.pool.connect(key(), ["base"])
        (name,) = ids(lease)
        w.script.takes["remove"] = 4.0
        await asyncio.sleep(301.5)
        assert (await w.pool.sandbox(name)).state is State.SUSPENDING
        record = await w.pool.awake(name)
        assert (record.state, record.generation) == (State.LEASED, 2)


@virtual
async def test_what_shall_outlive_the_container_is_taken_out_first() -> None:
    """As at the end of a lease: browser profiles, for one."""
    async with world(RESTING) as w:
        seen: list[tuple[str, bool]] = []

        async def farewell(record: SandboxRecord, options: LeaseOptions) -> None:
            seen.append((record.sandbox_id, record.sandbox_id in w.containers))

        w.means.farewells.append(farewell)
        (name,) = await suspended(w)
        assert seen == [(name, True)]
        await w.pool.release(key())
        await asyncio.sleep(10.0)
        assert seen == [(name, True)], "nobody is there any more to say farewell to"


@virtual
async def test_suspended_sandboxes_leave_room() -> None:
    """They count for no limit; one that shall start again counts as any other."""
    policy = replace(RESTING, limits=Limits(total=1))
    async with world(policy) as w:
        (name,) = await suspended(w)
        await w.pool.connect(key("s2"), ["base"])
        with pytest.raises(PoolExhausted):
            await w.pool.awake(name)
        assert (await w.pool.sandbox(name)).state is State.SUSPENDED
        await w.pool.release(key("s2"))
        await asyncio.sleep(1.0)
        assert (await w.pool.awake(name)).state is State.LEASED


@virtual
async def test_a_released_lease_leaves_nothing() -> None:
    """Suspended, just being suspended, or just starting again: containers and workspaces go."""
    async with world(RESTING) as w:
        await suspended(w)
        await w.pool.release(key())
        await settle()
        assert not w.backend.engine.contents
        assert not w.backend.engine.loose
        (name,) = await suspended(w)
        w.script.takes["start"] = 5.0
        waking = asyncio.create_task(w.pool.awake(name))
        await asyncio.sleep(1.0)
        await w.pool.release(key())
        with pytest.raises((SandboxNotFound, Exception), match="released"):
            await waking
        w.script.takes.clear()
        lease = await w.pool.connect(key(), ["base"])
        w.script.takes["remove"] = 3.0
        await asyncio.sleep(301.5)
        assert (await w.pool.sandbox(ids(lease)[0])).state is State.SUSPENDING
        await w.pool.release(key())
        await asyncio.sleep(10.0)
        engine = w.backend.engine
        assert not (engine.containers or engine.contents or engine.loose)
        assert not await w.records()


@virtual
async def test_a_lease_that_nobody_comes_back_to_ends() -> None:
    """An hour after it was suspended, with its workspace; whoever comes later is told."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        await asyncio.sleep(3600.0 - 5.0)
        assert await w.pool.leases()
        await asyncio.sleep(10.0)
        assert not await w.pool.leases()
        assert not w.backend.engine.contents
        with pytest.raises(SandboxNotFound, match="was suspended for 3600 s and released; connect again"):
            await w.pool.awake(name)
        (ended,) = w.happenings(LeaseEnded)
        assert isinstance(ended, LeaseEnded)
        assert ended.reason == "suspended for 3600 s"


@virtual
async def test_looking_wakes_nothing() -> None:
    """Neither lists nor `touch`, by which others keep what they may use."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        assert (await w.pool.touch(name)).state is State.SUSPENDED
        await w.pool.leases()
        await w.pool.sandbox(name)
        assert not w.containers
