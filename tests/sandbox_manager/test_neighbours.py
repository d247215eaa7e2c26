"""What a manager does when it hears of what others do."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import World, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import ImageMissing
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.events import SandboxStopping
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.neighbours import WAKE_EVERY
from agentscope_runtime.sandbox_manager.states import Ending, State
from agentscope_runtime.sandbox_manager.stores.news import Failed, Room, Stopped, Woken

OWN = LeaseOptions(environment={"A": "1"})
ENDING = Ending("was released")


async def waiting_for(w: World) -> asyncio.Task[object]:
    """Have a session wait for a start that hangs."""
    w.script.gates["start"] = asyncio.Event()
    task: asyncio.Task[object] = asyncio.create_task(w.pool.connect(key(), ["base"], OWN))
    await settle()
    assert not task.done()
    return task


@virtual
async def test_a_session_claims_again_when_another_manager_has_its_sandbox_ready() -> None:
    """It is ready by what the store says, and nobody here did that."""
    async with world(loops=False) as w:
        task = await waiting_for(w)
        (record,) = (await w.records()).values()
        await w.means.store.mark_ready(record.sandbox_id)
        await settle()
        assert not task.done()
        await w.pool.neighbours.hear(Woken(key()))
        await settle()
        assert task.done()
        await task


@virtual
async def test_news_that_may_have_been_missed_wakes_everybody_once() -> None:
    """However often it comes within a moment."""
    async with world(loops=False) as w:
        task = await waiting_for(w)
        (record,) = (await w.records()).values()
        await w.means.store.mark_ready(record.sandbox_id)
        for _ in range(5):
            await w.pool.neighbours.hear(Room())
        assert not task.done()
        await asyncio.sleep(WAKE_EVERY + 0.01)
        assert task.done()
        await task


@virtual
async def test_a_start_that_failed_elsewhere_fails_here_as_it_did_there() -> None:
    """After the second, as if it had been here; with its class."""
    async with world(loops=False) as w:
        task = await waiting_for(w)
        for _ in range(2):
            await w.pool.neighbours.hear(Failed(key(), "base", ImageMissing.code, "there is no image"))
            await settle()
        with pytest.raises(ImageMissing, match="there is no image"):
            await task


@virtual
async def test_what_another_manager_ends_ends_here_and_a_start_of_it_stops() -> None:
    """Open connections hear of it; the container that was being made does not stay."""
    async with world(Policy(targets={"base": 1})) as w:
        w.script.gates["started"] = asyncio.Event()
        await settle()
        object.__setattr__(w.means, "shared", True)
        (name,) = w.containers
        record = await w.means.store.mark_stopping(name, ENDING)
        assert record is not None and record.state is State.STARTING
        await w.pool.neighbours.hear(Stopped(name, "base", None, "was released", died=False))
        assert [event.sandbox_id for event in w.happenings(SandboxStopping)] == [name]  # type: ignore[attr-defined]
        w.script.gates["started"].set()
        await settle()
        assert name not in w.containers
        await w.means.store.forget(name)
        object.__setattr__(w.means, "shared", False)
