"""Suspending sandboxes that nobody uses: the container goes, the workspace stays, and so does the lease.

The store has said already which ones (`suspend_idle`); here is what it takes: what shall outlive the container is taken
out of it, the container is removed, and that is recorded. Until then whoever uses the sandbox waits for it. Starting it
again is `waking`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager.arrivals import Arrivals
from agentscope_runtime.sandbox_manager.events import SandboxSuspended
from agentscope_runtime.sandbox_manager.launcher import Launcher
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.outfitting import say_farewell
from agentscope_runtime.sandbox_manager.removal import until_gone
from agentscope_runtime.sandbox_manager.states import Ending, SandboxRecord, State
from agentscope_runtime.sandbox_manager.uninterrupted import give_up

logger = logging.getLogger(__name__)

PARALLEL = 4
"""Suspended at the same time; fewer than are destroyed at a time: nobody waits for these."""
IDLE = Ending("was idle and is suspended")


class Suspension:
    """Where sandboxes go that shall rest."""

    def __init__(self, means: Means, launcher: Launcher, arrivals: Arrivals) -> None:
        """Suspend with these means; `launcher` and `arrivals` are told when a container is gone."""
        self._means = means
        self._launcher = launcher
        self._arrivals = arrivals
        self._slots = asyncio.Semaphore(PARALLEL)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def suspend(self, records: Iterable[SandboxRecord]) -> None:
        """Suspend sandboxes that are SUSPENDING, in the background."""
        for record in records:
            self._begin(record, farewell=True)

    def put_back(self, record: SandboxRecord) -> None:
        """Have a sandbox rest again that was to start and could not: it is STARTING, and may have a container."""
        self._begin(record, farewell=False)

    def is_busy_with(self, sandbox_id: str) -> bool:
        """Tell whether it is being suspended here."""
        return sandbox_id in self._tasks

    async def aclose(self) -> None:
        """Give up what is not done yet."""
        await give_up(self._tasks.values())

    def _begin(self, record: SandboxRecord, *, farewell: bool) -> None:
        sandbox_id = record.sandbox_id
        if sandbox_id not in self._tasks:
            task = asyncio.create_task(self._rest(record, farewell), name=f"suspend {sandbox_id}")
            self._tasks[sandbox_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(sandbox_id, None))

    async def _rest(self, record: SandboxRecord, farewell: bool) -> None:
        sandbox_id = record.sandbox_id

        async def wanted() -> bool:
            try:
                current = await self._means.store.get(sandbox_id)
            except SandboxError:
                return False  # released meanwhile: whoever did that removes it, with its workspace
            return current.state in (State.SUSPENDING, State.STARTING)

        if farewell:
            await say_farewell(self._means, record, IDLE)
        async with self._slots:
            if not await until_gone(self._means, sandbox_id, keep_workspace=True, wanted=wanted):
                return
        self._launcher.removed(sandbox_id)
        suspended = await self._means.store.mark_suspended(sandbox_id, now=self._means.clock())
        if suspended is not None:
            self._means.events.emit(SandboxSuspended(sandbox_id, record.sandbox_type))
        if record.key is not None:
            self._arrivals.wake(record.key)
