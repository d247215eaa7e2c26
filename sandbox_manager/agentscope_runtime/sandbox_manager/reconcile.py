"""Comparing what should be on the engine with what is, and removing the difference.

What should be: the sandboxes in the store, and, where each manager has a store of its own, whatever belongs to another
manager that lives. Everything else of this installation was left by a manager that was killed, or slipped through; it
goes. What a dead manager began is finished. Other installations are not even looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager.backends import Found
from agentscope_runtime.sandbox_manager.events import OrphanRemoved
from agentscope_runtime.sandbox_manager.heartbeat import GONE
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.refill import Refill
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import SandboxRecord
from agentscope_runtime.sandbox_manager.succession import Succession

EVERY = 15.0
"""Seconds between two looks, when nothing gave a reason for one before."""
AGE_GUARD = 30.0
"""Seconds of age below which nothing is removed without proof that its manager is dead: it may be about to be
recorded, or to be removed by somebody else."""
PARALLEL = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong."""

    dead: tuple[SandboxRecord, ...]
    """Records of sandboxes that should run, and do not."""
    orphans: tuple[Found, ...]
    """Containers that nobody who lives knows."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store says, read before the engine was asked, and again after."""

    before: Collection[SandboxRecord]
    after: Collection[SandboxRecord]

    def names(self) -> set[str]:
        """Return the names of all containers and volumes that somebody needs, or is about to remove."""
        records = (*self.before, *self.after)
        return {name for record in records for name in (record.sandbox_id, record.volume)}


def difference(
    known: Known,
    found: Collection[Found],
    *,
    is_mine: Callable[[str], bool],
    is_dead: Callable[[str], bool],
    now: float,
) -> Difference:
    """Compare what is known with what was found on the engine.

    Nothing that is known is an orphan, whoever made it. Whatever else is there was never recorded here, or is
    forgotten: records come before their containers and go after them.

    Args:
        known: What this manager's store knows.
        found: What is there.
        is_mine: Whether what this manager made would be in that store; it says nothing of the others.
        is_dead: Whether this manager is proved to be dead.
        now: The time.
    """
    running = {thing.sandbox_id for thing in found if thing.running}
    names = known.names()
    return Difference(
        dead=tuple(record for record in known.before if record.answers and record.sandbox_id not in running),
        orphans=tuple(
            thing
            for thing in found
            if thing.sandbox_id not in names
            and (is_dead(thing.manager) or (is_mine(thing.manager) and now - thing.created_at > AGE_GUARD))
        ),
    )


class Reconciler:
    """Looks at the engine at the start, on a cycle, and when there is reason to."""

    def __init__(self, means: Means, retirement: Retirement, succession: Succession, refill: Refill) -> None:
        self._means = means
        self._retirement = retirement
        self._succession = succession
        self._refill = refill
        self.look = asyncio.Event()
        """Set it to have a look at once."""

    async def run(self) -> None:
        """Reconcile until cancelled; an engine that does not answer is tried again on the next cycle.

        The first look is had when the engine begins to tell of deaths: from then on none is missed.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self.look.wait()
            self.look.clear()
            with suppress(SandboxError):
                await self.reconcile()

    async def reconcile(self) -> None:
        """Compare once, and repair."""
        means = self._means
        # In this order: what is recorded and up now must be among what is found after.
        before = await means.store.sandboxes()
        found = await means.backend.containers()
        known = Known(before, await means.store.sandboxes())
        if not await means.membership.confirm():
            return  # the store may have come back empty: what it does not say, says nothing
        wrong = self._difference(known, found)
        for record in wrong.dead:
            await self._retirement.retire_dead(record, GONE)
        await self._remove("container", wrong.orphans)
        await self._remove_volumes(known)
        await self._succession.take_over(known.after)
        await self._succession.give_back(known.after)
        await self._forget_dead_managers(known.after)
        if await self._refill.renewal.look(before):
            self._refill.wake()

    def _difference(self, known: Known, found: Collection[Found]) -> Difference:
        means = self._means
        return difference(
            known,
            found,
            is_mine=lambda manager: means.shared or manager == means.store.manager,
            is_dead=means.membership.is_dead,
            now=means.clock(),
        )

    async def _remove(self, what: str, things: Iterable[Found]) -> None:
        slots = asyncio.Semaphore(PARALLEL)
        remove = self._means.backend.remove if what == "container" else self._means.backend.remove_volume

        async def one(thing: Found) -> None:
            async with slots:
                # One that cannot be removed now is met again on the next cycle.
                with suppress(SandboxError):
                    await remove(thing.sandbox_id)
                    self._means.events.emit(OrphanRemoved(thing.sandbox_id, thing.manager, what))

        async with asyncio.TaskGroup() as group:
            for thing in things:
                group.create_task(one(thing))

    async def _remove_volumes(self, known: Known) -> None:
        """Remove workspaces without a container: the engine removes both together, unless it was killed in between."""
        volumes = await self._means.backend.loose_volumes()
        after = await self._means.store.sandboxes()
        if await self._means.membership.confirm():
            await self._remove("volume", self._difference(Known((*known.before, *known.after), after), volumes).orphans)

    async def _forget_dead_managers(self, records: Iterable[SandboxRecord]) -> None:
        left = {thing.manager for thing in await self._means.backend.containers()}
        await self._means.membership.forget_dead(but=left | {record.manager for record in records})
