"""Loops that run beside a manager's calls: for as long as it lives, and those that run only while it leads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from agentscope_runtime.sandbox.errors import SandboxError, StoreUnavailable
from agentscope_runtime.sandbox_manager.membership import Membership
from agentscope_runtime.sandbox_manager.rebuild import Rebuild

logger = logging.getLogger(__name__)

RESTART_AFTER = 1.0
"""Seconds until a loop that failed starts again."""

Loop = Callable[[], Awaitable[None]]


@asynccontextmanager
async def looping(loops: Mapping[str, Loop]) -> AsyncIterator[None]:
    """Run these while the context is open."""
    # No task group: it would wrap what the body raises, and there is nothing to gather, since no loop fails.
    tasks = [asyncio.create_task(_forever(name, run), name=name) for name, run in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class Leading:
    """Runs loops while this manager leads, and its store knows everything."""

    def __init__(self, membership: Membership, rebuild: Rebuild, loops: Mapping[str, Loop]) -> None:
        self._membership = membership
        self._rebuild = rebuild
        self._loops = loops

    async def run(self) -> None:
        """Lead whenever it is this manager's turn, until cancelled."""
        membership = self._membership
        tries = 0
        while True:
            await membership.wait_until_leader()
            tries += 1
            if not membership.is_whole and not await self._rebuilt(tries):
                await asyncio.sleep(RESTART_AFTER)
                continue
            tries = 0
            logger.info("leading: filling the pool, ending leases, looking for what is left over")
            async with looping(self._loops):
                await _first(membership.wait_until_follower, membership.wait_until_lost)

    async def _rebuilt(self, tries: int) -> bool:
        try:
            return await self._rebuild.rebuild()
        except SandboxError as error:
            level = logging.WARNING if tries == 1 else logging.DEBUG
            logger.log(level, "the store cannot be filled now, and is tried again: %s", error.detail)
            return False


async def _first(*waits: Loop) -> None:
    tasks = [asyncio.ensure_future(wait()) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forever(name: str, run: Loop) -> None:
    """Run a loop; a bug in it is logged, and the loop goes on. That there is no store is no bug."""
    was_away = False
    while True:
        try:
            await run()
        except StoreUnavailable as error:
            logger.log(logging.DEBUG if was_away else logging.WARNING, "%s waits: %s", name, error.detail)
            was_away = True
        except Exception:
            logger.exception("the %s loop failed; it starts again in %g s", name, RESTART_AFTER)
            was_away = False
        await asyncio.sleep(RESTART_AFTER)
