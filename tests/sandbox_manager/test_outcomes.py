"""What comes of starts, where other managers have a word, too."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fake_pool import World, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import ImageMissing, SandboxError
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.outcomes import Outcomes
from agentscope_runtime.sandbox_manager.states import Ending, LeaseKey, SandboxRecord, State

ENDING = Ending("was released")


def outcomes(w: World) -> Outcomes:
    """Return those of a pool that is shared with others."""
    means = replace(w.means, shared=True)
    return Outcomes(means, w.pool._arrivals, w.pool.retirement, w.pool.suspension)


async def started(w: World) -> SandboxRecord:
    """Return the record of the pool's one sandbox as its start was begun."""
    await settle()
    (record,) = (await w.records()).values()
    assert record.state is State.WARM
    return replace(record, state=State.STARTING)


@virtual
async def test_a_container_that_nobody_wants_any_more_goes() -> None:
    """Another manager took it out of use while it was being made, and looked for a container before there was one."""
    async with world(Policy(targets={"base": 1}), loops=False) as w:
        record = await started(w)
        w.pool.refill.note = lambda event: None  # type: ignore[method-assign]
        await w.means.store.mark_stopping(record.sandbox_id, ENDING)
        await w.means.store.forget(record.sandbox_id)
        await outcomes(w).dropped(record)
        await settle()
        assert record.sandbox_id not in w.containers


@virtual
async def test_one_that_is_in_use_stays() -> None:
    """The store's answer was lost, or a store that came back empty has found it."""
    async with world(Policy(targets={"base": 1}), loops=False) as w:
        record = await started(w)
        await outcomes(w).dropped(record)
        await settle()
        assert record.sandbox_id in w.containers


@virtual
async def test_a_failure_is_told_to_sessions_that_wait_elsewhere() -> None:
    """By the store; here they are told as always."""
    async with world(Policy(targets={"base": 1}), loops=False) as w:
        told: list[tuple[LeaseKey, str, str]] = []

        async def fail(key: LeaseKey, sandbox_type: str, error: SandboxError) -> None:
            told.append((key, sandbox_type, error.code))

        w.means.store.fail = fail  # type: ignore[method-assign]
        w.script.gates["start"] = asyncio.Event()
        await settle()
        waiting = asyncio.create_task(w.pool.connect(key(), ["base"]))
        await settle()
        (record,) = [each for each in (await w.records()).values() if each.key == key()]
        await outcomes(w).failed(record, ImageMissing("there is no image"))
        assert told == [(key(), "base", "image_missing")]
        waiting.cancel()
        await asyncio.wait([waiting])
