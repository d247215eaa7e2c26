"""Taking sandboxes out of use, by itself: in which order, how many at a time, and what happens when it fails."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import World, filled, ids, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable, SandboxNotFound
from agentscope_runtime.sandbox_manager.events import RemovalFailed, SandboxRemoved, SandboxStopping
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.removal import LAST_RETRY
from agentscope_runtime.sandbox_manager.retirement import PARALLEL
from agentscope_runtime.sandbox_manager.states import Ending, State

ENDING = Ending("was tested")


async def leased(w: World) -> str:
    """Have one leased sandbox."""
    (sandbox_id,) = ids(await w.pool.connect(key(), ["base"]))
    return sandbox_id


@virtual
async def test_it_is_out_of_use_before_it_is_gone() -> None:
    """Nobody can use it from the first moment; its record stays until its container is removed."""
    async with world() as w:
        w.script.takes["remove"] = 1.0
        sandbox_id = await leased(w)
        record = await w.pool.retirement.retire(sandbox_id, ENDING)
        assert record is not None
        assert record.state is State.LEASED, "its last record in use"
        with pytest.raises(SandboxNotFound, match="was tested"):
            await w.pool.sandbox(sandbox_id)
        assert (await w.records())[sandbox_id].state is State.STOPPING
        assert w.happenings(SandboxStopping) == [SandboxStopping(sandbox_id, "base", key(), "was tested", False)]
        assert not w.happenings(SandboxRemoved)
        assert await w.pool.retirement.drained(within=10) == 0
        assert not await w.records()
        assert w.happenings(SandboxRemoved) == [SandboxRemoved(sandbox_id, "base")]


@virtual
async def test_twice_is_once() -> None:
    """The second one is told that there was nothing to do."""
    async with world() as w:
        sandbox_id = await leased(w)
        assert await w.pool.retirement.retire(sandbox_id, ENDING) is not None
        assert await w.pool.retirement.retire(sandbox_id, ENDING) is None
        await settle()
        assert w.script.seen["remove"] == 1


@virtual
async def test_one_that_starts_is_stopped_first() -> None:
    """Removed too early, its container would appear afterwards and belong to nobody."""
    async with world(Policy(targets={"base": 1}), loops=False) as w:
        gate = w.script.gates["create"] = asyncio.Event()
        await settle()
        (sandbox_id,) = await w.records()
        await w.pool.retirement.retire(sandbox_id, ENDING)
        await settle()
        gate.set()
        await settle()
        assert w.containers
        assert sandbox_id not in w.containers


@virtual
async def test_a_few_removals_at_a_time() -> None:
    """An engine that removes many at once is slow for everybody else."""
    async with world(Policy(targets={"base": 2 * PARALLEL}), loops=False) as w:
        await filled(w, ready=2 * PARALLEL)
        w.script.takes["remove"] = 1.0
        for sandbox_id in list(w.containers):
            await w.pool.retirement.retire(sandbox_id, ENDING)
        await settle()
        began = asyncio.get_running_loop().time()
        assert await w.pool.retirement.drained(within=10) == 0
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
        assert w.script.most_at_once["remove"] == PARALLEL


@virtual
async def test_a_failure_is_told_and_tried_again_less_and_less_often() -> None:
    """Who waits for the end is told after a while how many are left."""
    async with world() as w:
        sandbox_id = await leased(w)
        w.script.broken["remove"] = BackendUnavailable("away")
        await w.pool.retirement.retire(sandbox_id, ENDING)
        assert await w.pool.retirement.drained(within=100) == 1
        failures = [event for event in w.happenings(RemovalFailed) if isinstance(event, RemovalFailed)]
        assert [event.retry_in for event in failures] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, *[LAST_RETRY] * 3]
        assert {(event.sandbox_id, event.reason) for event in failures} == {(sandbox_id, "away")}
        w.script.broken.clear()
        assert await w.pool.retirement.drained(within=LAST_RETRY) == 0
