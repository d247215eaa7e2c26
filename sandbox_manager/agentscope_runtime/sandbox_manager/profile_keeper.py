"""Brings users' profiles into the browsers of their sessions, and what these changed back, in time.

A profile is put in before the session has its browser, and saved every few seconds and once more when the session ends.
Each browser has its own base, what it and the file had in common last, so that sessions of one user beside each other
keep each other's logins. A box that dies takes the last seconds with it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InternalError, InvalidRequest, SandboxError
from agentscope_runtime.sandbox_manager.box import Box
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.profiles import SIZE_MAX, ProfileKey, Profiles
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State
from agentscope_runtime.sandbox_manager.storage_state import Entries, NoState, entries, whole

logger = logging.getLogger(__name__)

SAVE_EVERY = 15.0
"""Seconds between two saves of a browser's profile."""
EXCHANGE_WITHIN = 20.0
"""Seconds that a box may take to give or take a profile: each site of it costs some tens of milliseconds."""
OTHERS_WITHIN = 4.0
"""Seconds that a new session waits for the last changes of others of the same profile; less than a farewell has."""


@dataclass(slots=True)
class _Loan:
    """A profile in one browser."""

    record: SandboxRecord
    key: ProfileKey
    base: Entries
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    over: bool = False


class ProfileKeeper:
    """The hooks of leases, and the loop that saves."""

    def __init__(self, profiles: Profiles, means: Means, reach: Callable[[SandboxRecord], Box]) -> None:
        """Keep profiles.

        Args:
            profiles: Where they are.
            means: Who says which sandboxes there are, and what their kinds have.
            reach: Opens the box of a sandbox, in whatever state that is.
        """
        self._profiles = profiles
        self._store = means.store
        self._kinds = means.kinds
        self._reach = reach
        self._loans: dict[str, _Loan] = {}

    async def load(self, record: SandboxRecord, options: wire.LeaseOptions) -> None:
        """Put the profile of a lease into its browser: an outfitter (`means.Hook`).

        Raises:
            InvalidRequest: No sandbox of the lease has a browser.
            SandboxError: The profile cannot be read, or the browser does not take it.
        """
        if options.profile is None or record.key is None or record.sandbox_id in self._loans:
            return
        if not self._kinds(record.sandbox_type).has_browser:
            await self._refuse_without_browser(record)
            return
        key = ProfileKey(record.key.user_id, options.profile)
        await self._hear_others(key)
        kept = await asyncio.to_thread(self._profiles.load, key)
        async with self._reach(record).request(
            "PUT", "/browser/profile", json=whole(kept), timeout=EXCHANGE_WITHIN
        ) as answer:
            await answer.read()
        # What the browser made of it, not what it was given: a cookie that it refused was not removed by the user.
        self._loans[record.sandbox_id] = _Loan(record, key, await self._taken(record))

    async def save(self, record: SandboxRecord, options: wire.LeaseOptions) -> None:
        """Save what a browser changed, for the last time: a farewell (`means.Hook`)."""
        loan = self._loans.get(record.sandbox_id)
        if loan is None:
            return
        try:
            await self._save(loan)
        finally:
            loan.over = True
            self._loans.pop(record.sandbox_id, None)

    async def run(self) -> None:
        """Save what browsers changed, for ever."""
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await self.look()

    async def look(self) -> None:
        """Save what browsers changed until now, and forget those that are no more."""
        if not self._loans:
            return  # to look at all sandboxes takes a while where there are many
        records = {record.sandbox_id: record for record in await self._store.sandboxes()}
        for sandbox_id, loan in list(self._loans.items()):
            record = records.get(sandbox_id)
            if record is None or record.generation != loan.record.generation:
                self._loans.pop(sandbox_id, None)  # it died, or another manager suspended it: no farewell comes
            elif record.state is State.LEASED and not record.paused:
                await self._try_to_save(loan)

    async def _hear_others(self, key: ProfileKey) -> None:
        """Save what other sessions changed, those that are just ending included, before a new one begins."""
        same = [loan for loan in self._loans.values() if loan.key == key]
        others = [loan for loan in same if not await self._stands_still(loan)]
        if others:
            tasks = [asyncio.create_task(self._try_to_save(loan)) for loan in others]
            _, late = await asyncio.wait(tasks, timeout=OTHERS_WITHIN)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _stands_still(self, loan: _Loan) -> bool:
        """Tell whether the browser is frozen: it changes nothing, and answers nobody."""
        try:
            return (await self._store.get(loan.record.sandbox_id)).paused
        except SandboxError:
            return False

    async def _try_to_save(self, loan: _Loan) -> None:
        try:
            await self._save(loan)
        except SandboxError as e:
            logger.warning("%s could not be saved from %s: %s", loan.key, loan.record.sandbox_id, e)

    async def _save(self, loan: _Loan) -> None:
        async with loan.turn:
            if loan.over:
                return
            now = await self._taken(loan.record)
            if now != loan.base:
                await asyncio.to_thread(self._profiles.save, loan.key, loan.base, now)
                loan.base = now

    async def _taken(self, record: SandboxRecord) -> Entries:
        async with self._reach(record).request("GET", "/browser/profile", timeout=EXCHANGE_WITHIN) as answer:
            said = bytearray()
            async for piece in answer.content.iter_any():  # sites decide what is in it
                said += piece
                if len(said) > SIZE_MAX:
                    raise InternalError(f"sandbox {record.sandbox_id} has a profile of more than {SIZE_MAX} bytes")
        try:
            return await asyncio.to_thread(lambda: entries(json.loads(said)))
        except (NoState, ValueError) as e:
            raise InternalError(f"sandbox {record.sandbox_id} answered what is no profile: {e}") from e

    async def _refuse_without_browser(self, record: SandboxRecord) -> None:
        assert record.key is not None
        kinds = sorted(other.sandbox_type for other in await self._store.held(record.key))
        if not any(self._kinds(kind).has_browser for kind in kinds):
            raise InvalidRequest(f"a profile is for browsers, and {', '.join(kinds)} has none")
