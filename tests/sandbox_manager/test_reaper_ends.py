"""When leases end for their age, how that is put off, and clocks that jump: in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fake_pool import RESTING, World, ids, key, suspended, world
from virtual_time import clock, virtual

from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound, SandboxNotFound
from agentscope_runtime.sandbox_manager.events import LeaseEnded
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.reaper import Reaper
from agentscope_runtime.sandbox_manager.states import State

LIMITED = Policy(idle_timeout=300.0, scan_interval=1.0, lease_max=1000.0)


class Wall:
    """A wall clock that can be set."""

    ahead = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return clock() + self.ahead


@asynccontextmanager
async def clocked(policy: Policy) -> AsyncIterator[tuple[World, Wall]]:
    """Run a pool whose wall clock can be set."""
    wall = Wall()
    async with world(policy, loops=False) as w:
        object.__setattr__(w.means, "clock", wall)
        reaper = Reaper(w.means, w.pool.retirement, w.pool.suspension, w.pool.activity)
        reaping = asyncio.create_task(reaper.run())
        try:
            yield w, wall
        finally:
            reaping.cancel()


async def keep_busy(w: World, sandbox_id: str) -> None:
    """Use a sandbox without a pause."""
    with w.pool.activity.of(sandbox_id):
        await asyncio.sleep(100_000.0)


@virtual
async def test_a_lease_ends_at_its_end_however_busy() -> None:
    """To the second; whoever uses it is told why."""
    async with world(LIMITED) as w:
        lease = await w.pool.connect(key(), ["base"])
        busy = asyncio.create_task(keep_busy(w, ids(lease)[0]))
        assert lease.sandboxes[0].expires_at == clock() + 1000.0
        await asyncio.sleep(999.0)
        assert await w.pool.leases()
        await asyncio.sleep(2.0)
        assert not await w.pool.leases()
        (ended,) = w.happenings(LeaseEnded)
        assert isinstance(ended, LeaseEnded)
        assert ended.reason == "expired"
        with pytest.raises(SandboxNotFound, match="came to the end of its lease"):
            await w.pool.awake(ids(lease)[0])
        busy.cancel()


@virtual
async def test_a_suspended_lease_ends_at_its_end() -> None:
    """Its sleep does not make it live for longer; what is started again has the same end."""
    async with world(replace(RESTING, lease_max=1000.0)) as w:
        began = clock()
        (name,) = await suspended(w)
        assert (await w.pool.awake(name)).expires_at == began + 1000.0
        await asyncio.sleep(began + 998.0 - clock())
        assert (await w.pool.sandbox(name)).state is State.SUSPENDED
        await asyncio.sleep(4.0)
        assert not await w.pool.leases()
        assert not w.backend.engine.contents


@virtual
async def test_renewing_moves_the_end() -> None:
    """By default as far as that of a new lease; sooner, too; for all that the session holds."""
    async with world(LIMITED) as w:
        names = ids(await w.pool.connect(key(), ["base", "browser"]))
        await asyncio.sleep(200.0)
        lease = await w.pool.renew(key(), None)
        assert {record.expires_at for record in lease.sandboxes} == {clock() + 1000.0}
        lease = await w.pool.renew(key(), 100.0)
        assert {record.expires_at for record in lease.sandboxes} == {clock() + 100.0}
        assert lease.to_info().expires_at == clock() + 100.0
        (joined,) = (await w.pool.connect(key(), ["extra"])).sandboxes
        assert joined.expires_at == clock() + 100.0
        await asyncio.sleep(102.0)
        for name in (*names, joined.sandbox_id):
            with pytest.raises(SandboxNotFound):
                await w.pool.sandbox(name)


@virtual
async def test_renewing_counts_as_use() -> None:
    """Whoever renews every four minutes keeps what nobody calls."""
    async with world(Policy(idle_timeout=300.0)) as w:
        lease = await w.pool.connect(key(), ["base"])
        for _ in range(5):
            await asyncio.sleep(240.0)
            renewed = await w.pool.renew(key(), None)
            assert ids(renewed) == ids(lease)
            assert renewed.sandboxes[0].expires_at is None


@virtual
async def test_renewing_wakes_nothing() -> None:
    """What is suspended stays so, and its end moves."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        lease = await w.pool.renew(key(), 50.0)
        assert (lease.sandboxes[0].sandbox_id, lease.sandboxes[0].state) == (name, State.SUSPENDED)
        assert not w.containers
        await asyncio.sleep(52.0)
        assert not await w.pool.leases()


@virtual
async def test_no_renewal_is_longer_than_a_lease() -> None:
    """The operator's word counts; and there is nothing to renew for who holds nothing."""
    async with world(LIMITED) as w:
        await w.pool.connect(key(), ["base"])
        with pytest.raises(InvalidRequest, match=r"1000 s from its renewal \(LEASE_MAX_SECONDS\), not 1001"):
            await w.pool.renew(key(), 1001.0)
        with pytest.raises(NotFound, match="holds no sandboxes"):
            await w.pool.renew(key("nobody"), None)


@virtual
async def test_a_clock_that_is_set_ahead_ends_nothing_early() -> None:
    """Neither what was used before nor what is used after: each in its own time, to the second or two."""
    async with clocked(Policy(idle_timeout=300.0, lease_max=5000.0)) as (w, wall):
        await w.pool.connect(key("before"), ["base"])
        await asyncio.sleep(100.0)
        wall.ahead += 86_400.0
        await asyncio.sleep(10.0)
        await w.pool.connect(key("after"), ["base"])
        await asyncio.sleep(188.0)
        assert len(await w.pool.leases()) == 2
        await asyncio.sleep(4.0)
        assert [lease.key for lease in await w.pool.leases()] == [key("after")]
        await asyncio.sleep(110.0)
        assert not await w.pool.leases()


@virtual
async def test_a_clock_that_is_set_back_ends_everything_in_its_time() -> None:
    """What was used in its future begins anew, and does not live for as long as the clock needs to get there."""
    async with clocked(Policy(idle_timeout=300.0)) as (w, wall):
        await w.pool.connect(key(), ["base"])
        await asyncio.sleep(100.0)
        wall.ahead -= 86_400.0
        await asyncio.sleep(298.0)
        assert await w.pool.leases()
        await asyncio.sleep(6.0)
        assert not await w.pool.leases()


@virtual
async def test_a_manager_that_stood_still_ends_nothing_at_once() -> None:
    """Nobody could use anything while its store was away; after that, each lease has the time that it had left."""
    async with clocked(Policy(idle_timeout=300.0)) as (w, _):
        await w.pool.connect(key(), ["base"])
        await asyncio.sleep(100.0)
        gate = asyncio.Event()
        end_idle, w.means.store.end_idle = w.means.store.end_idle, _waiting(gate)  # type: ignore[method-assign]
        await asyncio.sleep(10_000.0)
        w.means.store.end_idle = end_idle  # type: ignore[method-assign]
        gate.set()
        await asyncio.sleep(190.0)
        assert await w.pool.leases()
        await asyncio.sleep(15.0)
        assert not await w.pool.leases()


def _waiting(gate: asyncio.Event):  # type: ignore[no-untyped-def]
    async def end_idle(**_: object) -> tuple[()]:
        await gate.wait()
        return ()

    return end_idle
