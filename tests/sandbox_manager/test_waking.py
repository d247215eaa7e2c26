"""Suspended sandboxes that start again for whoever uses them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_pool import RESTING, ids, key, suspended, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import (
    BackendUnavailable,
    InvalidRequest,
    SandboxDied,
    StartFailed,
)
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.backends import Death
from agentscope_runtime.sandbox_manager.events import LeaseGranted, LeaseResumed
from agentscope_runtime.sandbox_manager.heartbeat import GONE
from agentscope_runtime.sandbox_manager.states import Limits, SandboxRecord, State


@virtual
async def test_whoever_holds_an_old_handle_wakes_it() -> None:
    """The first use starts it again: the same id, the same workspace, restored; the rest of the lease rests on."""
    async with world(RESTING) as w:
        base, browser = await suspended(w, "base", "browser")
        files = w.backend.engine.contents[base]
        record = await w.pool.awake(base)
        assert (record.state, record.restored, record.generation) == (State.LEASED, True, 2)
        assert w.containers == {base}
        assert w.backend.engine.containers[base].box.files is files
        assert (await w.pool.sandbox(browser)).state is State.SUSPENDED
        (told,) = w.happenings(LeaseResumed)
        assert isinstance(told, LeaseResumed)
        assert told.sandbox_ids == (base,)
        assert len(w.happenings(LeaseGranted)) == 1
        assert (await w.pool.report()).types["base"].misses == 1, "a start that the pool could not have saved"


@virtual
async def test_connecting_again_wakes_all_that_is_asked_for() -> None:
    """In the order of the asking, under the ids of before."""
    async with world(RESTING) as w:
        names = await suspended(w, "base", "browser")
        lease = await w.pool.connect(key(), ["browser", "base"])
        assert ids(lease) == names[::-1]
        assert all(record.restored for record in lease.sandboxes)


@virtual
async def test_all_users_wait_for_one_start() -> None:
    """A hundred calls and connects at once start one container, and see it when it is what the lease asked for."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        w.script.seen.clear()
        w.script.takes["start"] = 2.0
        fitted: list[str] = []

        async def fit(record: SandboxRecord, options: LeaseOptions) -> None:
            await asyncio.sleep(1.0)
            fitted.append(record.sandbox_id)

        w.means.outfitters.append(fit)
        connecting = asyncio.create_task(w.pool.connect(key(), ["base"]))
        records = await asyncio.gather(*(w.pool.awake(name) for _ in range(100)))
        assert fitted == [name]
        assert w.script.seen["create"] == 1
        assert {record.generation for record in records} == {2}
        await connecting


@virtual
async def test_a_use_waits_until_a_connect_has_outfitted() -> None:
    """A call by an old handle beside a connect that brings the sandbox back finds it as the lease wants it."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        fitting, fitted = asyncio.Event(), False

        async def fit(record: SandboxRecord, options: LeaseOptions) -> None:
            nonlocal fitted
            fitting.set()
            await asyncio.sleep(5.0)
            fitted = True

        w.means.outfitters.append(fit)
        connecting = asyncio.create_task(w.pool.connect(key(), ["base"]))
        await fitting.wait()
        assert (await w.pool.sandbox(name)).state is State.LEASED
        await w.pool.awake(name)
        assert fitted
        await connecting


@virtual
async def test_a_user_who_leaves_ends_the_start_for_nobody() -> None:
    """The others get it; and when all have left, it is suspended again in its time."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        w.script.takes["start"] = 2.0
        leaving, staying = (asyncio.create_task(w.pool.awake(name)) for _ in range(2))
        await asyncio.sleep(1.0)
        leaving.cancel()
        assert (await staying).state is State.LEASED
        await asyncio.sleep(303.0)
        leaving = asyncio.create_task(w.pool.awake(name))
        await asyncio.sleep(1.0)
        leaving.cancel()
        await asyncio.sleep(10.0)
        assert (await w.pool.sandbox(name)).state is State.LEASED
        await asyncio.sleep(303.0)
        assert (await w.pool.sandbox(name)).state is State.SUSPENDED


@virtual
async def test_options_are_applied_again() -> None:
    """Variables on the start-up line, the shared workspace, and what outfitters do."""
    async with world(RESTING) as w:
        fitted: list[str | None] = []

        async def fit(record: SandboxRecord, options: LeaseOptions) -> None:
            fitted.append(options.profile)

        w.means.outfitters.append(fit)
        options = LeaseOptions(environment={"A": "1"}, shared_workspace=True, profile="work")
        lease = await w.pool.connect(key(), ["base", "browser"], options)
        before = {name: container.order for name, container in w.backend.engine.containers.items()}
        await asyncio.sleep(303.0)
        assert fitted == ["work", "work"]
        for name in ids(lease):
            await w.pool.awake(name)
            after = w.backend.engine.containers[name].order
            assert after == replace(before[name], restored=True, generation=1)
        assert fitted == ["work"] * 4


@virtual
async def test_a_start_that_fails_keeps_the_workspace() -> None:
    """The user is told why, after a second attempt; the next use tries again."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        w.script.broken["start"] = StartFailed("no memory left")
        with pytest.raises(StartFailed, match="no memory left"):
            await w.pool.awake(name)
        assert w.script.seen["start"] == 3, "one when it was leased, and two attempts"
        await settle()
        assert (await w.pool.sandbox(name)).state is State.SUSPENDED
        assert name in w.backend.engine.contents
        assert not w.containers
        w.script.broken.clear()
        assert (await w.pool.awake(name)).state is State.LEASED


@virtual
async def test_an_engine_that_is_away_loses_nothing() -> None:
    """The use fails at once, by a typed error; when the engine is back, so is the sandbox."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        away = BackendUnavailable("the engine is away")
        w.script.broken.update(create=away, remove=away)
        began = asyncio.get_running_loop().time()
        with pytest.raises(BackendUnavailable):
            await w.pool.awake(name)
        assert asyncio.get_running_loop().time() - began < 1.0
        w.script.broken.clear()
        await asyncio.sleep(60.0)
        assert (await w.pool.awake(name)).state is State.LEASED


@virtual
async def test_a_workspace_that_is_gone_is_a_death() -> None:
    """An empty one would look as if somebody had emptied it; connecting again gives a fresh sandbox."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        await w.backend.remove_volume(name)
        for _ in ("the first use", "a later one"):
            with pytest.raises(SandboxDied, match=r"workspace .* is gone; connect again to get a fresh one$") as told:
                await w.pool.awake(name)
            assert str(told.value).count("connect again") == 1
        (record,) = (await w.pool.connect(key(), ["base"])).sandboxes
        assert record.sandbox_id != name


@virtual
async def test_an_outfitter_that_fails_keeps_the_workspace() -> None:
    """The use that started it fails; the sandbox is there."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)

        async def fail(record: SandboxRecord, options: LeaseOptions) -> None:
            raise InvalidRequest("no such profile")

        w.means.outfitters.append(fail)
        with pytest.raises(InvalidRequest):
            await w.pool.awake(name)
        assert (await w.pool.sandbox(name)).state is State.LEASED


@virtual
async def test_a_death_that_is_told_late_ends_nothing() -> None:
    """The end of the container that was suspended is no end of the one that was started after it."""
    async with world(RESTING) as w:
        (name,) = await suspended(w)
        record = await w.pool.awake(name)
        stale = replace(record, generation=1)
        assert not await w.pool.retirement.retire_dead(stale, GONE)
        w.backend._tell(w.backend.owner, Death(name, "ended with exit code 137"))
        await settle()
        assert (await w.pool.sandbox(name)).state is State.LEASED
        await w.backend.die(name)
        await settle()
        with pytest.raises(SandboxDied):
            await w.pool.sandbox(name)


@virtual
async def test_a_use_waits_for_room_that_others_took_meanwhile() -> None:
    """In line with those who connect; for half a minute, not for ever."""
    async with world(replace(RESTING, limits=Limits(total=1), idle_timeout=1000.0)) as w:
        (name,) = await suspended(w)
        await w.pool.connect(key("other", "u2"), ["base"])
        use = asyncio.ensure_future(w.pool.awake(name))
        await asyncio.sleep(10)
        assert not use.done()
        await w.pool.release(key("other", "u2"))
        assert (await use).restored
        await w.pool.release(key())
