"""Suspended and frozen sandboxes of managers that share a pool: one puts them to rest, any other wakes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fake_pool import ids, key
from redis.asyncio import Redis
from shared_pool import Town, eventually, town

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager import reaper, reconcile
from agentscope_runtime.sandbox_manager.events import LeaseSuspended, ManagerSucceeded
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.states import State

IDLE = 0.4
SOON = {"heartbeat_timeout": IDLE, "watcher_scan_interval": 0.05}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give managers little time to tell what was used while somebody else led."""
    monkeypatch.setattr(reaper, "TOLD_WITHIN", 0.3)


@asynccontextmanager
async def two_managers(t: Town, **settings: object) -> AsyncIterator[tuple[Pool, Pool]]:
    """Run two, of which one leads."""
    async with t.manager(**settings) as one, t.manager(**settings) as two:
        await serves(one)
        yield one, two


async def serves(pool: Pool) -> None:
    """Wait until the store is declared whole."""

    async def served() -> bool:
        try:
            await pool.connect(key("first"), ["base"])
        except SandboxError:
            return False
        return True

    await eventually(served)
    await pool.release(key("first"))


async def has_state(pool: Pool, sandbox_id: str, state: State) -> None:
    """Wait until a sandbox is in this state."""

    async def met() -> bool:
        return (await pool.sandbox(sandbox_id)).state is state

    await eventually(met)


async def write(pool: Pool, sandbox_id: str) -> None:
    """Leave a note in a sandbox."""
    async with (
        pool.use(sandbox_id) as box,
        box.request("PUT", "/files/content", params={"path": "note.txt"}, data=b"hello"),
    ):
        pass


async def read(pool: Pool, sandbox_id: str) -> str:
    """Read it."""
    async with (
        pool.use(sandbox_id) as box,
        box.request("GET", "/files/content", params={"path": "note.txt"}) as answer,
    ):
        return await answer.text()


async def test_any_manager_wakes_what_one_has_suspended(tmp_path: Path) -> None:
    """Users at both, at the same moment: one start, and all find the files."""
    async with town(tmp_path) as t, two_managers(t, **SOON) as (one, two):
        (name,) = ids(await one.connect(key(), ["base"]))
        await write(one, name)
        for _ in range(2):
            await has_state(two, name, State.SUSPENDED)
            assert name not in t.containers
            before = (await two.sandbox(name)).generation
            assert await asyncio.gather(*(read(pool, name) for pool in (one, two) * 5)) == ["hello"] * 10
            record = await two.sandbox(name)
            assert (record.restored, record.generation) == (True, before + 1)
        await two.release(key())

        async def gone() -> bool:
            return not (t.engine.containers or t.engine.contents or t.engine.loose)

        await eventually(gone)


async def test_what_is_used_at_one_manager_no_other_suspends(tmp_path: Path) -> None:
    """Whoever leads: a use counts for its whole duration."""
    async with town(tmp_path) as t, two_managers(t, **SOON) as (one, two):
        for pool in (one, two):
            session = key(f"session-{pool is one}")
            (name,) = ids(await pool.connect(session, ["base"]))
            async with pool.use(name):
                await asyncio.sleep(4 * IDLE)
                assert (await one.sandbox(name)).state is State.LEASED
            await has_state(two, name, State.SUSPENDED)
            assert len(t.happenings(LeaseSuspended)) == 1
            t.happened.clear()
            await pool.release(session)


async def test_a_suspension_that_a_dead_manager_began_is_finished(tmp_path: Path) -> None:
    """The workspace is kept, and whoever uses the sandbox meanwhile waits for it."""
    async with town(tmp_path) as t, t.manager(heartbeat_timeout=3600) as two:
        async with t.manager(**SOON) as one:  # does not lead: it is told to suspend, as a leader would
            await serves(two)
            (name,) = ids(await two.connect(key(), ["base"]))
            await write(two, name)
            held = asyncio.Event()

            async def hold(step: str, _: str) -> None:
                if step == "remove":
                    await held.wait()

            backend = one._means.backend
            backend.hook = hold  # type: ignore[attr-defined]
            (lease,) = await one.store.suspend_idle(idle_since=two._means.clock() + 1.0)
            one.suspension.suspend(lease.sandboxes)
            assert (await two.sandbox(name)).state is State.SUSPENDING
            reading = asyncio.create_task(read(two, name))
        # It ended in the middle of it.
        assert await asyncio.wait_for(reading, 60) == "hello"
        assert (await two.sandbox(name)).restored
        assert t.happenings(ManagerSucceeded)


async def test_any_manager_thaws_what_one_has_frozen(tmp_path: Path) -> None:
    """The call is answered, and nobody freezes the sandbox while it is used."""
    settings = {"heartbeat_timeout": 60, "watcher_scan_interval": 0.05, "pause_after_seconds": 0.3}
    async with town(tmp_path) as t, two_managers(t, **settings) as (one, two):
        (name,) = ids(await one.connect(key(), ["base"]))
        await write(one, name)
        box = t.engine.containers[name].box

        async def frozen() -> bool:
            return not box.awake.is_set()

        for pool in (two, one, two):
            await eventually(frozen)
            assert await read(pool, name) == "hello"
        async with two.use(name):
            await asyncio.sleep(1.0)
            assert box.awake.is_set()


async def test_a_redis_that_lost_everything_ends_what_is_suspended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no box to ask whose a workspace is: it is removed, and its session begins anew."""
    monkeypatch.setattr(reconcile, "AGE_GUARD", 0.0)
    monkeypatch.setattr(reconcile, "EVERY", 0.2)
    async with town(tmp_path) as t, two_managers(t, **SOON) as (one, two):
        (name,) = ids(await one.connect(key(), ["base"]))
        await has_state(two, name, State.SUSPENDED)
        assert name in t.engine.contents
        async with Redis.from_url(t.redis.url) as redis:
            await redis.flushall()

        async def gone() -> bool:
            return not t.engine.loose and not t.engine.contents

        await eventually(gone)
        await serves(two)
        assert ids(await two.connect(key(), ["base"])) != [name]
