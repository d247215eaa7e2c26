"""Claims: a session belongs to one run, here or in another process, as long as somebody says that the run lives.

    claim = await claims.take((user_id, session_id), run.stop)   # None: it has a run
    ...
    await claim.release(TaskState.FINISHED)

A backend that is slow, or fails, ends no run: the claim is renewed when it answers again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import aclosing

from agentscope_runtime.engine.interrupts.base import BaseInterruptBackend, InterruptSignal, TaskState

logger = logging.getLogger(__name__)

Key = tuple[str, str]
"""User and session."""

HELD_S = 120
"""Seconds that a session is held for a process of which nothing is heard. A living one is heard four times as often."""

REMEMBERED_S = 600
"""Seconds for which it is known how a run ended."""

REMEMBERED_ERROR_S = 3600
"""The same, of a run that failed: somebody will ask."""

RETRY_S = 1.0
"""Pause before listening again to a backend that failed."""

REPEAT_S = 0.1
"""Pause between signals to another process, until the state says that it heard one."""

REPEATS = 5
"""Signals to another process; it may be about to listen when the first is given."""


class Claims:
    """The claims of one process."""

    def __init__(self, backend: BaseInterruptBackend) -> None:
        self._backend = backend

    async def take(self, key: Key, stop: Callable[[], object]) -> Claim | None:
        """Claim a session that has no run; None if it has.

        Args:
            key: Whose session.
            stop: Called when somebody signals that the run shall stop.
        """
        state_key = _name("state", key)
        if not await self._backend.compare_and_set_state(
            state_key, TaskState.RUNNING, TaskState.RUNNING, negate=True, ttl=HELD_S
        ):
            return None
        return Claim(self._backend, key, stop)

    async def stop_elsewhere(self, key: Key) -> bool:
        """Signal to other processes that a session's run shall stop; return whether there is one."""
        if not self._backend.shared:
            return False
        for attempt in range(REPEATS):
            if await self._backend.get_task_state(_name("state", key)) is not TaskState.RUNNING:
                return attempt > 0
            await self._backend.publish_event(_name("channel", key), InterruptSignal.STOP.value)
            await asyncio.sleep(REPEAT_S)
        return True

    async def aclose(self) -> None:
        """Let go of the backend."""
        await self._backend.aclose()


class Claim:
    """One session, held for one run."""

    def __init__(self, backend: BaseInterruptBackend, key: Key, stop: Callable[[], object]) -> None:
        self._backend = backend
        self._key = key
        self._stop = stop
        self._watching = [asyncio.create_task(self._renew(), name="renewal of a claim")]
        if backend.shared:
            self._watching.append(asyncio.create_task(self._listen(), name="signals to a run"))

    async def release(self, state: TaskState) -> None:
        """Say how the run ended, which frees the session."""
        for task in self._watching:
            task.cancel()
        # A renewal that is on its way must not come after the end.
        await asyncio.gather(*self._watching, return_exceptions=True)
        ttl = REMEMBERED_ERROR_S if state is TaskState.ERROR else REMEMBERED_S
        try:
            await self._backend.set_task_state(_name("state", self._key), state, ttl=ttl)
        except Exception:  # whichever errors the backend has; the session is free when the claim runs out
            logger.exception("could not say that the run of session %r ended; it is busy for %s s", self._key, HELD_S)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(HELD_S / 4)
            try:
                await self._backend.set_task_state(_name("state", self._key), TaskState.RUNNING, ttl=HELD_S)
            except Exception:  # whichever errors the backend has, the next renewal may succeed
                logger.warning("could not renew the claim of session %r", self._key, exc_info=True)

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(self._backend.subscribe_listen(_name("channel", self._key))) as messages:
                    async for message in messages:
                        if message == InterruptSignal.STOP.value:
                            self._stop()
            except Exception:  # whichever errors the backend has, a run must stay stoppable
                logger.warning("could not listen for signals to session %r", self._key, exc_info=True)
            await asyncio.sleep(RETRY_S)


def _name(kind: str, key: Key) -> str:
    """Return a name that no other user and session have, whatever their names contain."""
    return f"{kind}:{json.dumps(key)}"
