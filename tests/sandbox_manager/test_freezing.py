"""Sandboxes that are frozen when nobody uses them, and go on when somebody does: in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_pool import RESTING, World, ids, key, world
from virtual_time import virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable
from agentscope_runtime.sandbox_manager.events import SandboxPaused
from agentscope_runtime.sandbox_manager.freezing import keep_frozen
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import State

FREEZING = Policy(idle_timeout=100_000.0, scan_interval=1.0, pause_after=30.0, watchdog=60.0)


def frozen(w: World) -> set[str]:
    """Return the sandboxes whose containers stand still."""
    return {name for name, each in w.backend.engine.containers.items() if not each.box.awake.is_set()}


async def paused(w: World) -> str:
    """Lease a sandbox and leave it alone until it is frozen."""
    (name,) = ids(await w.pool.connect(key(), ["base"]))
    await asyncio.sleep(33.0)
    assert frozen(w) == {name}
    return name


@virtual
async def test_an_idle_sandbox_is_frozen_and_goes_on_when_it_is_used() -> None:
    """Each for itself, to the second; get_info says so."""
    async with world(FREEZING) as w:
        base, browser = ids(await w.pool.connect(key(), ["base", "browser"]))
        with w.pool.activity.of(browser):
            await asyncio.sleep(29.0)
            assert not frozen(w)
            await asyncio.sleep(3.0)
            assert frozen(w) == {base}
            assert (await w.pool.sandbox(base)).to_info().paused
            assert len(w.happenings(SandboxPaused)) == 1
            record = await w.pool.awake(base)
            assert (record.state, record.paused, record.generation) == (State.LEASED, False, 1)
            assert not frozen(w)


@virtual
async def test_connecting_renewing_and_touching_are_uses() -> None:
    """Each thaws what it keeps."""
    async with world(FREEZING) as w:
        name = await paused(w)
        (record,) = (await w.pool.connect(key(), ["base"])).sandboxes
        assert not record.paused
        assert not frozen(w)
        await asyncio.sleep(33.0)
        await w.pool.renew(key(), None)
        assert not frozen(w)
        await asyncio.sleep(33.0)
        assert not (await w.pool.touch(name)).paused
        assert not frozen(w)


@virtual
async def test_a_frozen_sandbox_is_neither_silent_nor_dead() -> None:
    """For hours: no heartbeat is tried, and nothing is retired."""
    async with world(FREEZING) as w:
        name = await paused(w)
        before = w.script.seen["heartbeat"]
        await asyncio.sleep(7200.0)
        assert w.script.seen["heartbeat"] == before
        assert frozen(w) == {name}
        assert len(w.happenings(SandboxPaused)) == 1


@virtual
async def test_one_that_is_used_while_it_freezes_is_thawed() -> None:
    """Whichever comes first at the engine, the freezing or the thawing."""
    async with world(FREEZING) as w:
        (name,) = ids(await w.pool.connect(key(), ["base"]))
        w.script.takes["pause"] = 2.0
        await asyncio.sleep(31.0)
        assert (await w.pool.sandbox(name)).paused
        await w.pool.awake(name)  # thaws what is not frozen yet
        await asyncio.sleep(5.0)
        assert not frozen(w)
        assert not (await w.pool.sandbox(name)).paused


@virtual
async def test_one_that_cannot_be_frozen_goes_on() -> None:
    """The store does not say that it is frozen, so it gets its heartbeats; it is tried again."""
    async with world(FREEZING) as w:
        (name,) = ids(await w.pool.connect(key(), ["base"]))
        active = (await w.pool.sandbox(name)).last_active_at
        w.script.broken["pause"] = BackendUnavailable("not now")
        await asyncio.sleep(300.0)
        record = await w.pool.sandbox(name)
        assert not record.paused
        assert record.last_active_at == active
        assert w.script.seen["heartbeat"] >= 10
        w.script.broken.clear()
        await asyncio.sleep(2.0)
        assert frozen(w) == {name}


@virtual
async def test_one_that_is_only_said_to_be_frozen_is_frozen_again() -> None:
    """Its freezer died between the store and the engine: without heartbeats the box would end itself."""
    async with world(FREEZING) as w:
        name = await paused(w)
        await w.backend.unpause(name)
        await asyncio.sleep(16.0)
        assert frozen(w) == {name}
        assert not await keep_frozen(w.means, replace(await w.pool.sandbox(name), sandbox_id="sbx-gone"))


@virtual
async def test_one_that_nobody_thawed_is_found() -> None:
    """Whoever was to do it died, or the engine refused: the use fails, and the next heartbeat lets the box go on."""
    async with world(FREEZING) as w:
        name = await paused(w)
        w.script.errors["unpause"].append(BackendUnavailable("the engine is away"))
        with pytest.raises(BackendUnavailable):
            await w.pool.awake(name)
        assert frozen(w) == {name}
        await asyncio.sleep(16.0)
        assert not frozen(w)


@virtual
async def test_a_frozen_sandbox_is_suspended_in_its_time() -> None:
    """It goes on for its farewell; released, too."""
    async with world(replace(RESTING, pause_after=30.0)) as w:
        seen: list[bool] = []

        async def farewell(record: object, options: object) -> None:
            seen.append(not frozen(w))

        w.means.farewells.append(farewell)
        name = await paused(w)
        await asyncio.sleep(300.0)
        record = await w.pool.sandbox(name)
        assert (record.state, record.paused) == (State.SUSPENDED, False)
        await w.pool.awake(name)
        await asyncio.sleep(33.0)
        assert frozen(w) == {name}
        await w.pool.release(key())
        await asyncio.sleep(1.0)
        assert not w.containers
        assert seen == [True, True]
