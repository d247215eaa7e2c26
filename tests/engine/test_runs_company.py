"""Runs that are stopped, and the tasks that act for them beside their handler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import nullcontext, suppress

import pytest
from run_scene import KEY, Scene, reading_of
from virtual_time import virtual

from agentscope_runtime.engine.services.keepalive import HANDLING


@virtual
@pytest.mark.parametrize("hides", [True, False])
async def test_a_stop_takes_along_what_acts_for_the_run(hides: bool) -> None:
    """Also where the handler hides that it was stopped."""
    scene = Scene()
    tasks: list[asyncio.Task[None]] = []

    async def act() -> None:
        run, task = HANDLING.get(), asyncio.current_task()
        assert run is not None and task is not None
        with run.accompanied_by(task):
            await asyncio.Event().wait()

    async def handler() -> AsyncGenerator[str, None]:
        tasks.append(asyncio.create_task(act()))
        yield "first"
        with suppress(asyncio.CancelledError) if hides else nullcontext():
            await asyncio.Event().wait()

    begun = asyncio.Event()
    reading = asyncio.create_task(reading_of(await scene.start(handler), begun))
    await begun.wait()
    assert await scene.runs.stop(KEY)
    assert (await reading).response["status"] == "canceled"
    assert tasks[0].cancelled()
