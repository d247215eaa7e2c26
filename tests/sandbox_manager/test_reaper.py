"""When leases end for being idle, to the second."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import SandboxNotFound
from agentscope_runtime.sandbox_manager.events import LeaseEnded
from agentscope_runtime.sandbox_manager.means import Policy

POLICY = Policy(idle_timeout=300.0, scan_interval=1.0)


@virtual
async def test_an_idle_lease_is_released_after_the_timeout() -> None:
    """Not a second too early, at most one scan too late; whoever comes back is told why."""
    async with world(POLICY) as w:
        lease = await w.pool.connect(key(), ["base"])
        await asyncio.sleep(299.0)
        assert await w.pool.leases() == [lease]
        await asyncio.sleep(2.0)
        assert not await w.pool.leases()
        assert not w.containers
        with pytest.raises(SandboxNotFound, match="was idle for 300 s and released; connect again"):
            await w.pool.sandbox(lease.sandboxes[0].sandbox_id)
        (ended,) = w.happenings(LeaseEnded)
        assert isinstance(ended, LeaseEnded)
        assert ended.reason == "idle for 300 s"


@virtual
async def test_a_long_call_is_activity_for_its_whole_duration() -> None:
    """A tool that runs for an hour keeps its lease; the time-out begins when it ends."""
    async with world(POLICY) as w:
        lease = await w.pool.connect(key(), ["base"])
        with w.pool.activity.of(lease.sandboxes[0].sandbox_id):
            await asyncio.sleep(3600.0)
        await asyncio.sleep(298.0)
        assert len(await w.pool.leases()) == 1
        await asyncio.sleep(4.0)
        assert not await w.pool.leases()


@virtual
async def test_two_uses_at_once_count_until_the_last_ends() -> None:
    """A watched desktop keeps the lease while calls come and go."""
    async with world(POLICY) as w:
        lease = await w.pool.connect(key(), ["base"])
        name = lease.sandboxes[0].sandbox_id
        with w.pool.activity.of(name):
            with w.pool.activity.of(name):
                await asyncio.sleep(1.0)
            assert w.pool.activity.running() == [name]
            await asyncio.sleep(600.0)
            assert len(await w.pool.leases()) == 1
        assert w.pool.activity.running() == []


@virtual
async def test_activity_in_one_sandbox_keeps_the_whole_lease() -> None:
    """A session that works in its base keeps its browser."""
    async with world(POLICY) as w:
        lease = await w.pool.connect(key(), ["base", "browser"])
        with w.pool.activity.of(lease.sandboxes[0].sandbox_id):
            await asyncio.sleep(1000.0)
            (still,) = await w.pool.leases()
            assert len(still.sandboxes) == 2


@virtual
async def test_connecting_again_is_activity() -> None:
    """A session that asks for its sandboxes every four minutes keeps them."""
    async with world(POLICY) as w:
        first = await w.pool.connect(key(), ["base"])
        for _ in range(10):
            await asyncio.sleep(240.0)
            again = await w.pool.connect(key(), ["base"])
            assert again.sandboxes[0].sandbox_id == first.sandboxes[0].sandbox_id


@virtual
async def test_warm_sandboxes_are_never_idle() -> None:
    """The pool waits as long as it takes."""
    async with world(Policy(targets={"base": 1}, idle_timeout=300.0)) as w:
        await settle()
        before = w.containers
        await asyncio.sleep(10_000.0)
        assert w.containers == before
