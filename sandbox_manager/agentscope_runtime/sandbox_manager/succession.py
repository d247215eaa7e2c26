"""Finishing what dead managers began, and what this one began and does not know of: the store's answer was lost.

Starts have failed then, removals go on. What was made and is not being ended lives on: leased and warm sandboxes belong
to no manager. Not here: what was never recorded (`reconcile`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from agentscope_runtime.sandbox_manager.events import ManagerSucceeded
from agentscope_runtime.sandbox_manager.launcher import Launcher
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import Ending, LeaseKey, SandboxRecord, State
from agentscope_runtime.sandbox_manager.suspension import Suspension

UNFINISHED = (State.STARTING, State.SUSPENDING, State.STOPPING)
PROMISED_WITHIN = 30.0
"""Seconds beyond the time of a start for which a ready sandbox may be kept for a session that waits for another one."""
EVERY = 15.0
"""Seconds between two looks for loose ends."""
ABANDONED = Ending("did not start: the manager that started it has died", died=True)
LEFT_BEHIND = Ending("was being removed by a manager that has died")


Forget = Callable[[LeaseKey, Sequence[str]], Awaitable[None]]


class Succession:
    """Takes over from dead managers, one after another, and from itself."""

    def __init__(
        self, means: Means, retirement: Retirement, suspension: Suspension, launcher: Launcher, forget: Forget
    ) -> None:
        """Prepare.

        Args:
            means: Whose store says what is to be done.
            retirement: Finishes removals.
            suspension: Finishes suspensions.
            launcher: Knows what this manager starts.
            forget: Gives back what was promised to a key.
        """
        self._means = means
        self._retirement = retirement
        self._suspension = suspension
        self._launcher = launcher
        self._forget = forget
        self._suspects: set[str] = set()
        self._promised: dict[tuple[str, LeaseKey], float] = {}

    async def run(self) -> None:
        """Look for loose ends of this manager until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.tie()

    async def tie(self) -> None:
        """Finish what is this manager's, and what nobody here is at: its store's answer was lost, or a task failed.

        Only what was so at the last look, too: an answer may be on its way.
        """
        loose = [
            record for record in await self._means.store.take_over(self._means.store.manager) if self._is_loose(record)
        ]
        for record in loose:
            if record.sandbox_id in self._suspects:
                await self._finish(record)
        self._suspects = {record.sandbox_id for record in loose}

    async def take_over(self, records: Iterable[SandboxRecord]) -> None:
        """Finish what dead managers began, given all that is recorded."""
        membership, store = self._means.membership, self._means.store
        busy = {record.manager for record in records if record.state in UNFINISHED} - {store.manager, ""}
        for manager in sorted(busy):
            if membership.is_dead(manager):
                begun = await store.take_over(manager)
                self._means.events.emit(ManagerSucceeded(manager, tuple(record.sandbox_id for record in begun)))
                for record in begun:
                    await self._finish(record)

    async def give_back(self, records: Iterable[SandboxRecord]) -> None:
        """Give back promises that nobody can be waiting for any more, given all that is recorded: their calls are over.

        A call that ends gives back what it was promised. A manager that died with it did not, and if another one's
        caller waits, too, it claims again. One that had no store then did not either: that is known by time only.
        """
        now = asyncio.get_running_loop().time()
        promised = {
            (record.sandbox_id, record.key): record.sandbox_type
            for record in records
            if record.key is not None and record.state is State.WARM and not record.restored
        }
        self._promised = {each: self._promised.get(each, now) for each in promised}
        patience = self._means.policy.start_timeout + PROMISED_WITHIN
        waits = await self._means.store.waits() if promised else {}
        for (sandbox_id, key), since in list(self._promised.items()):
            if now - since > patience or (key in waits and self._means.membership.is_dead(waits[key])):
                await self._forget(key, (promised[sandbox_id, key],))

    def _is_loose(self, record: SandboxRecord) -> bool:
        return not any(
            each.is_busy_with(record.sandbox_id) for each in (self._launcher, self._retirement, self._suspension)
        )

    async def _finish(self, record: SandboxRecord) -> None:
        if record.state is State.STOPPING:
            self._retirement.destroy([record], LEFT_BEHIND)
        elif record.state is State.SUSPENDING:
            self._suspension.suspend([record])
        elif record.state is State.STARTING and record.restored:
            self._suspension.put_back(record)
        elif record.state is State.STARTING:
            # Whatever it got to: nobody knows whether its box has heard all that it has to know.
            await self._retirement.retire(record.sandbox_id, ABANDONED)
