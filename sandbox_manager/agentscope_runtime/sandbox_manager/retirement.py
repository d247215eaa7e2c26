"""Taking sandboxes out of use, and destroying them in the background until they are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from agentscope_runtime.sandbox.errors import NotFound, SandboxDied, SandboxError
from agentscope_runtime.sandbox_manager.arrivals import Arrivals
from agentscope_runtime.sandbox_manager.events import SandboxRemoved, SandboxStopping
from agentscope_runtime.sandbox_manager.launcher import Launcher
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.outfitting import say_farewell
from agentscope_runtime.sandbox_manager.removal import until_gone
from agentscope_runtime.sandbox_manager.states import Ending, SandboxRecord
from agentscope_runtime.sandbox_manager.stores.insisting import insistently
from agentscope_runtime.sandbox_manager.uninterrupted import give_up

PARALLEL = 8
"""Removals at the same time: each takes the engine 100 to 200 ms, nearly all of it waiting."""


class Retirement:
    """Where sandboxes go when nobody shall use them any more."""

    def __init__(self, means: Means, launcher: Launcher, arrivals: Arrivals) -> None:
        self._means = means
        self._launcher = launcher
        self._arrivals = arrivals
        self._slots = asyncio.Semaphore(PARALLEL)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def retire(self, sandbox_id: str, ending: Ending, *, if_free: bool = False) -> SandboxRecord | None:
        """Take one sandbox out of use and destroy it; return its last record in use, None if it was out already.

        With `if_free`, only if nobody has it or is promised it.
        """
        record = await self._means.store.mark_stopping(sandbox_id, ending, if_free=if_free)
        if record is not None:
            self.destroy([record], ending)
        return record

    async def retire_dead(self, seen: SandboxRecord, ending: Ending) -> bool:
        """Retire a sandbox whose container was found to be gone after it was `seen` up.

        Returns:
            Whether it was that; False if it was suspended meanwhile, and so has no container for good reason.
        """
        with suppress(NotFound, SandboxDied):  # it is out of use already
            current = await self._means.store.get(seen.sandbox_id)
            if not current.answers or (current.restored and current.generation != seen.generation):
                return False
            await self.retire(seen.sandbox_id, ending)
        return True

    def destroy(self, records: Iterable[SandboxRecord], ending: Ending) -> None:
        """Destroy sandboxes that the store has taken out of use already."""
        for record in records:
            self._means.events.emit(
                SandboxStopping(record.sandbox_id, record.sandbox_type, record.key, ending.reason, ending.died)
            )
            if record.key is not None:
                self._arrivals.wake(record.key)  # who waits for it, or for one beside it, has to claim another one
            if record.sandbox_id not in self._tasks:
                task = asyncio.create_task(self._remove(record, ending), name=f"remove {record.sandbox_id}")
                self._tasks[record.sandbox_id] = task

    def discard(self, record: SandboxRecord) -> None:
        """Remove the container of a sandbox that another manager has taken out of use, and whose record is not ours.

        The workspace of one that was to start again is not ours either.
        """
        if record.sandbox_id not in self._tasks:
            task = asyncio.create_task(self._discard(record), name=f"discard {record.sandbox_id}")
            self._tasks[record.sandbox_id] = task

    def is_busy_with(self, sandbox_id: str) -> bool:
        """Tell whether it is being removed here."""
        return sandbox_id in self._tasks

    async def drained(self, within: float) -> int:
        """Wait until everything is gone, at most `within` seconds; return how many are left."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=within)
        return len(self._tasks)

    async def aclose(self) -> None:
        """Give up what is not gone yet: its watchdog ends it, or the next manager."""
        await give_up(self._tasks.values())

    async def _remove(self, record: SandboxRecord, ending: Ending) -> None:
        sandbox_id = record.sandbox_id
        try:
            await say_farewell(self._means, record, ending)
            await self._launcher.abort(sandbox_id)
            async with self._slots:
                await until_gone(self._means, sandbox_id)
            if await insistently(lambda: self._means.store.forget(sandbox_id)):
                with suppress(SandboxError):  # then the reconciler finds the workspace that its lease shared
                    await self._means.backend.remove_volume(record.volume)
            self._means.events.emit(SandboxRemoved(sandbox_id, record.sandbox_type))
        finally:
            del self._tasks[sandbox_id]
            self._launcher.removed(sandbox_id)

    async def _discard(self, record: SandboxRecord) -> None:
        try:
            async with self._slots:
                await until_gone(self._means, record.sandbox_id, keep_workspace=record.restored)
        finally:
            del self._tasks[record.sandbox_id]
