"""What only tasks of an event loop can do to a sandbox: be cancelled, and look without waiting."""

from __future__ import annotations

import asyncio

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync


def base(manager: ScriptedManager) -> BaseSandboxAsync:
    """Make a base sandbox of this manager."""
    return BaseSandboxAsync(base_url=manager.url, bearer_token=KEY)


async def test_a_cancelled_start_gives_back(manager: ScriptedManager) -> None:
    """A task that is cancelled while it connects releases what the manager may grant it."""
    manager.then_be_silent()
    task = asyncio.create_task(base(manager).start_async())
    await asyncio.to_thread(manager.wait_for_a_request)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert manager.paths() == ["POST /v1/leases", "DELETE /v1/leases"]


async def test_a_cancelled_block_gives_back(manager: ScriptedManager) -> None:
    """A task that is cancelled while it holds a sandbox releases it."""
    holds = asyncio.Event()

    async def hold() -> None:
        async with base(manager):
            holds.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await holds.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not manager.leases


async def test_information_is_at_hand_without_waiting(manager: ScriptedManager) -> None:
    """get_info of an async object returns what was known at the start, and asks nobody."""
    async with base(manager) as box:
        assert box.get_info()["sandbox_id"] == box.sandbox_id
    assert manager.paths() == ["POST /v1/leases", "DELETE /v1/leases"]
