"""Asking a store until it answers."""

from __future__ import annotations

import asyncio

import pytest
from virtual_time import virtual

from agentscope_runtime.sandbox.errors import SandboxNotFound, StoreUnavailable
from agentscope_runtime.sandbox_manager.stores.insisting import insistently


@virtual
async def test_it_is_asked_again_until_it_answers() -> None:
    """Ever more slowly, and at least every five seconds."""
    loop, times = asyncio.get_running_loop(), []

    async def ask() -> str:
        times.append(loop.time())
        if len(times) < 7:
            raise StoreUnavailable("away")
        return "done"

    assert await insistently(ask) == "done"
    assert times == [0.0, 0.5, 1.5, 3.5, 7.5, 12.5, 17.5]


@virtual
async def test_another_answer_is_an_answer() -> None:
    """Errors of what was asked are the caller's."""

    async def ask() -> None:
        raise SandboxNotFound("there is none")

    with pytest.raises(SandboxNotFound):
        await insistently(ask)
