"""A run: work in a task of its own, which anybody can stop, and what its reader is told.

    run = Run((user_id, session_id), reply)
    run.begin(release)   # awaited at the end, whatever happened
    async for batch in run.batches():
        ...

Not here: that a session has one run at a time (`runs`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Protocol

from agentscope_runtime.engine.channel import Channel
from agentscope_runtime.engine.handlers import END, Relay
from agentscope_runtime.engine.interrupts import TaskState
from agentscope_runtime.engine.interrupts.claims import Key
from agentscope_runtime.engine.services.keepalive import handling

logger = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""What a stopped handler may still say, it says in this time; then its reader is told that it was stopped."""


class Work(Protocol):
    """What a run does, and what is to be said last, however it ends."""

    def batches(self) -> AsyncGenerator[list[Any], None]:
        """Do it; what is yielded is for the reader. A cancellation may be thrown in between two batches."""
        ...

    def completed(self) -> list[Any]:
        """Return the last words of work that came to its end."""
        ...

    def failed(self, error: BaseException) -> list[Any]:
        """Return the last words of work that raised something."""
        ...

    def canceled(self) -> list[Any]:
        """Return the last words of work that was stopped; none if they were said already."""
        ...


class Run:
    """Work that is under way, or was."""

    def __init__(self, key: Key, work: Work, *, keep_running: bool = False) -> None:
        """Describe it; it begins with `begin`.

        Args:
            key: Whose session it is in.
            work: What to do.
            keep_running: Whether it goes on when its reader leaves.
        """
        self.key = key
        self.state = TaskState.RUNNING
        self._work = work
        self._keep_running = keep_running
        self._channel = Channel()
        self._task: asyncio.Task[None] | None = None
        self._is_under_way = False
        self._is_stopped = False
        self._is_told = False  # the reader, that the run was stopped

    def begin(self, release: Callable[[TaskState], Coroutine[Any, Any, None]]) -> None:
        """Work in a task of its own from now on, and await `release` when the work is over, whatever happened."""
        self._task = asyncio.create_task(self._live(release), name=f"run of session {self.key[1]}")

    def batches(self) -> AsyncGenerator[list[Any], None]:
        """Yield what is for the reader, all that is there each time."""
        return self._channel.batches()

    async def ended(self) -> None:
        """Wait for the end."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def finished(self) -> None:
        """Wait for the end in the place of a reader."""
        self._channel.drop()
        await self.ended()

    async def disconnected(self) -> None:
        """Hear that the reader left: stop, unless the run was meant to go on, or was stopped before."""
        self._channel.drop()
        if not (self._keep_running or self._is_stopped):
            self.stop()

    def stop(self) -> bool:
        """Cancel the handler; return whether there was anything to stop.

        The first of several stops counts: what a handler does when it is cancelled shall not be cancelled. Only one
        that does not come to an end is cancelled anew by a stop after `PATIENCE_S`.
        """
        if self.state is not TaskState.RUNNING:
            return False
        if self._is_stopped and not self._is_told:
            return True
        if not self._is_stopped:
            self._is_stopped = True
            asyncio.get_running_loop().call_later(PATIENCE_S, self._tell)
        # A task that is cancelled before its first step never makes one, and would never release the session.
        if self._task is not None and self._is_under_way:
            self._task.cancel()
        return True

    def _tell(self) -> None:
        """Let the reader go, whatever the handler still does."""
        if self.state is TaskState.RUNNING:
            logger.warning("the handler in session %r goes on although it was stopped", self.key[1])
            self._is_told = True
            self._channel.add(self._work.canceled())
            self._channel.finish()

    async def _live(self, release: Callable[[TaskState], Coroutine[Any, Any, None]]) -> None:
        self._is_under_way = True
        last: list[Any] = []
        try:
            last = self._last_words(await self._failure())
        finally:  # whatever happened: a session that is not released takes no other run
            if self.state is TaskState.RUNNING:
                self.state = TaskState.ERROR
            try:
                await _undisturbed(release(self.state))
            finally:
                self._channel.add(last)
                self._channel.finish()

    async def _failure(self) -> BaseException | None:
        """Work; return what was raised that nobody asked for."""
        try:
            if not self._is_stopped:
                await self._pump()
        except asyncio.CancelledError as error:
            if not self._is_stopped and not _is_cancelled():
                return error  # of something that the handler waited for; nobody stopped the handler
            self._is_stopped = True
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - the edge to users' code, which ends no server
            return error
        return None

    def _last_words(self, failure: BaseException | None) -> list[Any]:
        """Say how it ended: a handler that goes on when it was stopped, or fails then, was stopped all the same."""
        if self._is_stopped:
            if failure is not None:
                logger.warning("the handler in session %r failed when it was stopped", self.key[1], exc_info=failure)
            last, self.state = self._work.canceled(), TaskState.STOPPED
        elif failure is not None:
            last, self.state = self._work.failed(failure), TaskState.ERROR
        else:
            last, self.state = self._work.completed(), TaskState.FINISHED
        return last

    async def _pump(self) -> None:
        async with handling(*self.key), aclosing(self._work.batches()) as batches:
            relay = Relay(batches)
            while (batch := await relay.next()) is not END:
                if self._is_told:
                    break
                with relay:
                    await self._put(batch)
            if self._is_stopped:
                await asyncio.sleep(0)  # a handler that stopped itself at the very end is cancelled here, not later
                raise asyncio.CancelledError  # the handler has hidden it: whatever else acts for the run has to hear

    async def _put(self, batch: list[Any]) -> None:
        try:
            await self._channel.put(batch)
        except asyncio.CancelledError:
            self._channel.add(batch)  # what was made is said
            raise


def _is_cancelled() -> bool:
    """Say whether somebody cancelled the task that this runs in."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _undisturbed(work: Coroutine[Any, Any, None]) -> None:
    """Await it to its end, whoever cancels meanwhile; a handler may have cancelled the task as its last act."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()
