"""Letting something finish although its caller is cancelled."""

from __future__ import annotations

import asyncio

import pytest
from virtual_time import virtual

from agentscope_runtime.sandbox_manager.uninterrupted import uninterrupted


@virtual
async def test_a_cancelled_caller_waits_for_the_end_and_is_cancelled_then() -> None:
    """What was begun is whole, whether it went well or not."""
    done: list[str] = []

    async def work(outcome: str) -> str:
        await asyncio.sleep(2.0)
        done.append(outcome)
        if outcome == "bad":
            raise ValueError(outcome)
        return outcome

    for outcome in ("good", "bad"):
        task = asyncio.create_task(uninterrupted(work(outcome)))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done.pop() == outcome


@virtual
async def test_without_cancellation_it_is_as_if_it_were_not_there() -> None:
    """Result and error come through."""

    async def work() -> int:
        return 1 // len([])

    with pytest.raises(ZeroDivisionError):
        await uninterrupted(work())
    assert await uninterrupted(asyncio.sleep(1.0, "result")) == "result"
