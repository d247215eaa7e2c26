"""Filling a store that came back empty: all containers are asked whose they are, and what they say is recorded.

Only the leader does it, before anything else, and nobody is given a sandbox until it is done. Whatever cannot say whose
it is goes. Not here: what boxes say (`lease_notes`), and how an empty store is noticed (`membership`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from agentscope_runtime.sandbox.errors import SandboxError, StoreUnavailable
from agentscope_runtime.sandbox_manager.backends import Found, Unreachable
from agentscope_runtime.sandbox_manager.events import StoreRebuilt
from agentscope_runtime.sandbox_manager.lease_notes import leased_again
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import Ending, SandboxRecord, State

T = TypeVar("T")

PARALLEL = 16
"""Boxes asked at the same time, and containers removed."""
DUBIOUS = Ending("could not say that nobody had used it")
READY_WITHIN = 3.0
"""Seconds that a box is given to say that it is ready: those of use have been, for long."""


class Rebuild:
    """Finds again what there is."""

    def __init__(self, means: Means, retirement: Retirement) -> None:
        self._means = means
        self._retirement = retirement

    async def rebuild(self) -> bool:
        """Fill the store, and declare it whole; False if that is somebody else's business by now.

        Raises:
            StoreUnavailable: It does not answer, again.
            BackendUnavailable: The engine does not say what there is.
        """
        means = self._means
        found = await means.backend.containers()
        asked = await _each(found, self._ask)
        # Of two that say that they are one session's, the younger lease is right: the other was about to go.
        records = sorted((record for record in asked if record), key=lambda record: -(record.leased_at or 0.0))
        adopted = [record for record in records if await means.store.adopt(record)]
        known = {record.sandbox_id: record for record in await means.store.sandboxes()}
        useless = [thing for thing in found if thing.sandbox_id not in known]
        # A store that was set back may take for free what somebody has used since.
        said = {record.sandbox_id for record in records}
        for record in known.values():
            if record.state is State.WARM and record.key is None and record.sandbox_id not in said:
                await self._retirement.retire(record.sandbox_id, DUBIOUS)
        if not await means.membership.declare_whole():
            return False
        await _each(useless, self._remove)
        means.events.emit(
            StoreRebuilt(
                leased=tuple(record.sandbox_id for record in adopted if record.state is State.LEASED),
                warm=tuple(record.sandbox_id for record in adopted if record.state is State.WARM),
                removed=tuple(thing.sandbox_id for thing in useless),
            )
        )
        return True

    async def _ask(self, thing: Found) -> SandboxRecord | None:
        if not thing.running or thing.address is None:
            return None
        means = self._means
        try:
            record = self._as_found(thing)
            await means.backend.unpause(thing.sandbox_id)
            await means.doorbell.ready(record, READY_WITHIN)
            remembered = await means.doorbell.read_note(record)
        except StoreUnavailable:
            raise
        except (Unreachable, SandboxError):  # a kind that nobody registers here any more is of no use either
            return None
        record_again = leased_again(record, remembered, means.identity)
        if record_again is None or record_again.state is State.WARM:
            return record_again
        return replace(record_again, last_active_at=means.clock())  # nobody knows; nobody could use it lately

    def _as_found(self, thing: Found) -> SandboxRecord:
        means = self._means
        blueprint = means.kinds(thing.sandbox_type)
        address = thing.address
        if address is not None and not blueprint.has_desktop:
            address = type(address)(address.host, address.port)
        return SandboxRecord(
            sandbox_id=thing.sandbox_id,
            sandbox_type=thing.sandbox_type,
            state=State.WARM,
            image=blueprint.image,
            created_at=thing.created_at,
            token=means.identity.box_token(thing.sandbox_id),
            container_id=thing.container_id,
            image_id=thing.image_id,
            address=address,
            memory=blueprint.memory,
        )

    async def _remove(self, thing: Found) -> None:
        with suppress(SandboxError):  # then the reconciler finds it
            await self._means.backend.remove(thing.sandbox_id)


async def _each(things: Iterable[Found], do: Callable[[Found], Awaitable[T]]) -> list[T]:
    slots = asyncio.Semaphore(PARALLEL)

    async def one(thing: Found) -> T:
        async with slots:
            return await do(thing)

    return await asyncio.gather(*(one(thing) for thing in things))
