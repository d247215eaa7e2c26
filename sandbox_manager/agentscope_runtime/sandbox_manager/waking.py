"""From a sandbox that rests to one that answers, for who uses it: what is frozen is thawed, what is suspended starts.

All users of a suspended sandbox wait for one start of it, and until it is what its lease asked for. It is brought back
by connecting its key again, so that limits, queues and failures are those of every connect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from agentscope_runtime.sandbox.errors import NotFound, SandboxDied, SandboxError, Unavailable
from agentscope_runtime.sandbox_manager.freezing import touch
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.states import Lease, LeaseKey, SandboxRecord, State
from agentscope_runtime.sandbox_manager.uninterrupted import give_up

TRIES = 3
"""Times that a sandbox is started for one use, if it is suspended again in the moment in which it got ready."""

WAITS = 30.0
"""Seconds that a use waits in line for room, where what rested has lost its own to others."""


class Connect(Protocol):
    """Gives a key its sandboxes."""

    async def __call__(self, key: LeaseKey, sandbox_types: Sequence[str], *, wait_s: float) -> Lease:
        """Wait so many seconds for room, if there is none."""


class Waking:
    """Who waits for which sandbox to be up again."""

    def __init__(self, means: Means, connect: Connect) -> None:
        """Wake sandboxes of these means; `connect` gives a key its sandboxes."""
        self._means = means
        self._connect = connect
        self._starting: dict[str, asyncio.Task[Lease]] = {}
        self._outfitting: dict[str, asyncio.Event] = {}

    async def awake(self, sandbox_id: str) -> SandboxRecord:
        """Return a leased sandbox that answers, and take note of its use.

        Raises:
            SandboxNotFound: It is unknown, was released, or nobody has leased it.
            SandboxDied: It ended while it was leased; or it was suspended, and its workspace is gone.
            Unavailable: It is suspended and cannot be started now; the class and the message say why.
        """
        for _ in range(TRIES):
            record = await touch(self._means, sandbox_id, now=self._means.clock())
            if record.state is State.LEASED:
                if event := self._outfitting.get(sandbox_id):
                    await event.wait()
                return record
            await self._started(record)
        raise Unavailable(f"sandbox {sandbox_id} is suspended whenever it gets ready; try again")

    async def used(self, sandbox_id: str) -> None:
        """Take note that a use has ended; fine if the sandbox has, too."""
        with suppress(NotFound, SandboxDied):
            await touch(self._means, sandbox_id, now=self._means.clock())

    @contextmanager
    def outfitting(self, records: Iterable[SandboxRecord]) -> Iterator[None]:
        """Have users of these wait while the context is open."""
        events = {record.sandbox_id: asyncio.Event() for record in records}
        self._outfitting.update(events)
        try:
            yield
        finally:
            for sandbox_id, event in events.items():
                event.set()
                if self._outfitting.get(sandbox_id) is event:
                    del self._outfitting[sandbox_id]

    async def outfitted(self, records: Iterable[SandboxRecord]) -> bool:
        """Wait until other calls have made these what their leases ask for, or given up; False if none is at it."""
        events = [event for record in records if (event := self._outfitting.get(record.sandbox_id))]
        for event in events:
            await event.wait()
        return bool(events)

    async def aclose(self) -> None:
        """Start nothing any more."""
        await give_up(self._starting.values())

    async def _started(self, record: SandboxRecord) -> None:
        sandbox_id = record.sandbox_id
        task = self._starting.get(sandbox_id)
        if task is None:
            assert record.key is not None
            # A task of its own: a user who leaves does not end it for the others.
            task = asyncio.create_task(self._start(record.key, record.sandbox_type), name=f"wake {sandbox_id}")
            self._starting[sandbox_id] = task
            task.add_done_callback(lambda done: self._forget(sandbox_id, done))
        try:
            await asyncio.shield(task)
        except SandboxError as e:
            raise type(e)(e.detail, **e.extras) from e  # a copy: each of those who wait adds its own traceback
        except asyncio.CancelledError:
            if task.cancelled():
                raise Unavailable(f"sandbox {sandbox_id} is not started: the sandbox manager is stopping") from None
            raise

    async def _start(self, key: LeaseKey, sandbox_type: str) -> Lease:
        return await self._connect(key, (sandbox_type,), wait_s=WAITS)

    def _forget(self, sandbox_id: str, task: asyncio.Task[Lease]) -> None:
        del self._starting[sandbox_id]
        if not task.cancelled():
            task.exception()  # looked at, also where everybody has left
