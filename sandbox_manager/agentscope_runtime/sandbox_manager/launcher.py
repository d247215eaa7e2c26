"""The queue of sandboxes that are recorded and not up yet, and how many are brought up at a time.

Sessions that wait come before the pool, each in the order of their asking. Not here: what should be started at all
(`pool` for sessions, `refill` for the pool), and how one is (`readiness`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from agentscope_runtime.sandbox.errors import SandboxError, StartFailed
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.readiness import bring_up
from agentscope_runtime.sandbox_manager.states import SandboxRecord
from agentscope_runtime.sandbox_manager.stores.insisting import insistently

logger = logging.getLogger(__name__)

SLOW_AFTER = 10.0
"""Seconds after which a start that is still not ready frees its slot: one that hangs (usually until the start
time-out) must not keep sandboxes of other kinds from starting."""

TOLD_WITHIN = 5.0
"""Seconds that it may take at the end to tell what came of the last starts."""

OnReady = Callable[[SandboxRecord, float], Awaitable[None]]
OnFailed = Callable[[SandboxRecord, SandboxError], Awaitable[None]]
OnDropped = Callable[[SandboxRecord], Awaitable[None]]


async def _nothing(record: SandboxRecord) -> None:
    """Leave it to who took the sandbox out of use."""


class Launcher:
    """Brings up what is submitted, a few at a time."""

    def __init__(
        self, means: Means, *, on_ready: OnReady, on_failed: OnFailed, on_dropped: OnDropped = _nothing
    ) -> None:
        """Prepare.

        Args:
            means: Policy `parallel` bounds how many are brought up at a time; policy `limits.total` bounds how many
                containers exist, those that are just being removed included (the store does not count these); not
                where others make some, too.
            on_ready: Awaited with the record and the seconds it took.
            on_failed: Awaited with the record as submitted, and why.
            on_dropped: Awaited with the record as submitted, if somebody else took it out of use meanwhile.
        """
        self._means = means
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._on_dropped = on_dropped
        self._urgent: OrderedDict[str, SandboxRecord] = OrderedDict()
        self._queued: OrderedDict[str, SandboxRecord] = OrderedDict()
        self._tasks: dict[str, asyncio.Task[None]] = {}  # being brought up
        self._brought: dict[str, SandboxRecord] = {}  # their records
        self._all: set[asyncio.Task[None]] = set()  # these, and those that only have to tell what came of it
        self._slow: set[str] = set()  # those of them that hold no slot any more
        self._existing: set[str] = set()  # launched, and not known to be removed
        self._closed = False

    def submit(self, records: Iterable[SandboxRecord]) -> None:
        """Bring these up; with a key: before all that have none."""
        for record in records:
            (self._queued if record.key is None else self._urgent)[record.sandbox_id] = record
        self._pump()

    def hurry(self, sandbox_ids: Iterable[str]) -> None:
        """Somebody waits for these now."""
        for sandbox_id in sandbox_ids:
            if record := self._queued.pop(sandbox_id, None):
                self._urgent[sandbox_id] = record

    @property
    def queued(self) -> int:
        """How many wait for a slot."""
        return len(self._urgent) + len(self._queued)

    def is_busy_with(self, sandbox_id: str) -> bool:
        """Tell whether it is being brought up, or waits for that."""
        return sandbox_id in self._urgent or sandbox_id in self._queued or sandbox_id in self._tasks

    def drop(self, sandbox_id: str) -> None:
        """Stop bringing this one up, in the background: another manager has taken it out of use, and removes it.

        What of it appears after that, is for `on_dropped`.
        """
        if record := self._brought.get(sandbox_id):
            task = asyncio.create_task(self._drop(record), name=f"drop {sandbox_id}")
            self._all.add(task)
            task.add_done_callback(self._all.discard)
        self._urgent.pop(sandbox_id, None)
        self._queued.pop(sandbox_id, None)
        self.removed(sandbox_id)

    async def abort(self, sandbox_id: str) -> None:
        """Stop bringing this one up; when this returns, no container of it can appear any more."""
        self._urgent.pop(sandbox_id, None)
        self._queued.pop(sandbox_id, None)
        if task := self._tasks.get(sandbox_id):
            task.cancel()
            await asyncio.wait([task])

    def removed(self, sandbox_id: str) -> None:
        """Take note that the container is gone."""
        self._existing.discard(sandbox_id)
        self._pump()

    async def aclose(self) -> None:
        """Bring nothing up any more, and wait for what was under way to end."""
        self._closed = True
        self._urgent.clear()
        self._queued.clear()
        for task in self._tasks.values():
            task.cancel()
        if self._all:
            _, late = await asyncio.wait(self._all, timeout=TOLD_WITHIN)
            for task in late:  # the store is away: whoever comes after us finds what was not told
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _pump(self) -> None:
        policy = self._means.policy
        while not self._closed and len(self._tasks) - len(self._slow) < policy.parallel:
            if 0 < policy.limits.total <= len(self._existing) and not self._means.shared:
                return
            queue = self._urgent or self._queued
            if not queue:
                return
            sandbox_id, record = queue.popitem(last=False)
            self._existing.add(sandbox_id)
            running = self._run(record, awaited=queue is self._urgent)
            task = asyncio.create_task(running, name=f"start {sandbox_id}")
            self._tasks[sandbox_id], self._brought[sandbox_id] = task, record
            self._all.add(task)
            task.add_done_callback(self._all.discard)

    async def _run(self, record: SandboxRecord, *, awaited: bool) -> None:
        sandbox_id = record.sandbox_id
        loop = asyncio.get_running_loop()
        began = loop.time()
        slow = loop.call_later(SLOW_AFTER, self._free_slot, sandbox_id)
        error: SandboxError | None = None
        ready: SandboxRecord | None = None
        try:
            ready = await bring_up(self._means, record, awaited=awaited)
        except SandboxError as e:
            error = e
        except Exception as e:
            logger.exception("could not bring up %s", sandbox_id, extra={"sandbox_id": sandbox_id})
            error = StartFailed(f"{record.sandbox_type} sandbox {sandbox_id} did not start: {e!r}")
        finally:
            slow.cancel()
            self._slow.discard(sandbox_id)
            # From here on an abort is nothing to wait for: the backend is done with this one.
            del self._tasks[sandbox_id], self._brought[sandbox_id]
            self._pump()
        if error is not None:
            failure = error
            await insistently(lambda: self._on_failed(record, failure))
        elif ready is not None:
            await self._on_ready(ready, loop.time() - began)
        else:
            await self._on_dropped(record)

    async def _drop(self, record: SandboxRecord) -> None:
        await self.abort(record.sandbox_id)
        await self._on_dropped(record)

    def _free_slot(self, sandbox_id: str) -> None:
        self._slow.add(sandbox_id)
        self._pump()
