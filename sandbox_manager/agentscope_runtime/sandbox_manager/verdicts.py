"""Finding out why a leased box does not answer: its lease is over, its container is gone, or neither."""

from __future__ import annotations

import asyncio

from agentscope_runtime.sandbox.errors import SandboxError, Unavailable
from agentscope_runtime.sandbox_manager.heartbeat import GONE
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import SandboxRecord

DEATH_TAKES = 1.0
"""Seconds until the engine has noticed the end of a container whose connections broke."""


class Verdicts:
    """Looks at the store and the container; see `box.Verdict`."""

    def __init__(self, means: Means, retirement: Retirement) -> None:
        self._means = means
        self._retirement = retirement

    async def __call__(self, record: SandboxRecord) -> SandboxError:
        """Return what whoever called the box is told; a sandbox that is found dead is retired."""
        sandbox_id = record.sandbox_id
        loop = asyncio.get_running_loop()
        give_up = loop.time() + DEATH_TAKES
        while True:
            try:
                await self._means.store.get(sandbox_id)
                alive = await self._means.backend.alive(sandbox_id)
            except SandboxError as e:
                return e
            if not alive:
                if await self._retirement.retire_dead(record, GONE):
                    return GONE.to_error(sandbox_id)
                return Unavailable(f"sandbox {sandbox_id} was suspended meanwhile; try again")
            if loop.time() >= give_up:
                return Unavailable(f"sandbox {sandbox_id} does not answer, though its container runs; try again")
            await asyncio.sleep(DEATH_TAKES / 20)
