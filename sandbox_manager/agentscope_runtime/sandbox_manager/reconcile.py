"""Comparing what should be on the engine with what is, and removing the difference.

What should be: the sandboxes in this manager's store, and whatever belongs to another manager that lives. Everything
else of this installation was left by a manager that was killed, or slipped through; it goes. Other installations are
not even looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager.backends import Found, Owner
from agentscope_runtime.sandbox_manager.events import OrphanRemoved
from agentscope_runtime.sandbox_manager.heartbeat import GONE
from agentscope_runtime.sandbox_manager.liveness import Liveness
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import Ending, SandboxRecord, State

EVERY = 15.0
"""Seconds between two looks, when nothing gave a reason for one before."""
AGE_GUARD = 30.0
"""Seconds of age below which nothing is removed without proof that its manager is dead: it may be about to be
recorded, or to be removed by somebody else."""
PARALLEL = 4
STALE = Ending("ran an image that has been rebuilt since")


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong."""

    dead: tuple[SandboxRecord, ...]
    """Records of sandboxes that should run, and do not."""
    orphans: tuple[Found, ...]
    """Containers that nobody who lives knows."""


def difference(
    records: Collection[SandboxRecord],
    found: Collection[Found],
    *,
    me: str,
    is_dead: Callable[[str], bool],
    now: float,
) -> Difference:
    """Compare the records of the manager `me`, read first, with what was found on the engine after that."""
    running = {thing.sandbox_id for thing in found if thing.running}
    known = {name for record in records for name in (record.sandbox_id, record.volume)}
    return Difference(
        dead=tuple(record for record in records if record.answers and record.sandbox_id not in running),
        orphans=tuple(
            thing
            for thing in found
            if (is_dead(thing.manager) if thing.manager != me else _forgotten(thing, known, now))
        ),
    )


def _forgotten(thing: Found, known: Collection[str], now: float) -> bool:
    return thing.sandbox_id not in known and now - thing.created_at > AGE_GUARD


class Reconciler:
    """Looks at the engine at the start, on a cycle, and when there is reason to."""

    def __init__(self, means: Means, retirement: Retirement, owner: Owner, liveness: Liveness) -> None:
        self._means = means
        self._retirement = retirement
        self._me = owner.manager
        self._liveness = liveness
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
        # In this order: what is recorded and up now must be among what is found after.
        records = await self._means.store.sandboxes()
        found = await self._means.backend.containers()
        wrong = difference(records, found, me=self._me, is_dead=self._liveness.is_dead, now=self._means.clock())
        for record in wrong.dead:
            await self._retirement.retire_dead(record, GONE)
        await self._remove("container", wrong.orphans)
        await self._remove_volumes(records)
        await self._forget_dead_managers()
        await self._drop_stale(records)

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

    async def _remove_volumes(self, records: Collection[SandboxRecord]) -> None:
        """Remove workspaces without a container: the engine removes both together, unless it was killed in between."""
        volumes = await self._means.backend.loose_volumes()
        wrong = difference(records, volumes, me=self._me, is_dead=self._liveness.is_dead, now=self._means.clock())
        await self._remove("volume", wrong.orphans)

    async def _forget_dead_managers(self) -> None:
        if not (others := [manager for manager in self._liveness.known() if manager != self._me]):
            return
        left = {thing.manager for thing in await self._means.backend.containers()}
        for manager in others:
            if manager not in left:
                self._liveness.forget(manager)

    async def _drop_stale(self, records: Iterable[SandboxRecord]) -> None:
        free = [record for record in records if record.state is State.WARM and record.key is None and record.image_id]
        for image in {record.image for record in free}:
            current = await self._means.backend.image_id(image)
            for record in free:
                if record.image == image and current is not None and record.image_id != current:
                    await self._retirement.retire(record.sandbox_id, STALE)
