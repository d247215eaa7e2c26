"""Runs: one at a time in each session, each in a task of its own, which anybody can stop.

    run = await runs.start((user_id, session_id), reply)   # SessionBusy, before anything was said
    async for batch in run.batches():
        ...
    await runs.stop((user_id, session_id))                 # from elsewhere

A run outlives the request that began it, if it must: what the handler does at its end is waited for, and only then is
the session free. Its reader learns the end after that, so that it may begin the next run at once.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from agentscope_runtime.engine.errors import SessionBusy
from agentscope_runtime.engine.handlers import END, Handler, Relay
from agentscope_runtime.engine.interrupts import BaseInterruptBackend, TaskState
from agentscope_runtime.engine.interrupts.claims import Claims, Key
from agentscope_runtime.engine.run import Run, Work

logger = logging.getLogger(__name__)

LAST_PATIENCE_S = 5.0
"""How long the end of an application waits for the handlers that it stops."""


class Runs:
    """All runs of an application."""

    def __init__(self, backend: BaseInterruptBackend) -> None:
        """Begin without any.

        Args:
            backend: Knows which sessions have a run, and carries signals to other processes.
        """
        self._claims = Claims(backend)
        self._runs: dict[Key, Run] = {}

    async def start(self, key: Key, work: Work, *, keep_running: bool = False) -> Run:
        """Begin to work in a session that has no run.

        Args:
            key: User and session.
            work: What to do.
            keep_running: Whether it goes on when its reader leaves.

        Raises:
            SessionBusy: the session has a run.
        """
        run = Run(key, work, keep_running=keep_running)
        claim = None if key in self._runs else await self._claims.take(key, run.stop)
        if claim is None:
            raise SessionBusy(
                f"Task {key[0]}:{key[1]} is already in RUNNING state. Wait for its end, or stop it: "
                "stop_chat(user_id=…, session_id=…)"
            )

        async def release(state: TaskState) -> None:
            try:
                await claim.release(state)
            finally:
                del self._runs[key]

        self._runs[key] = run
        run.begin(release)
        return run

    async def stop(self, key: Key) -> bool:
        """Stop the run of a session, in whichever process; return whether there was one.

        A run of this process was told when this returns; what its handler does at its end is not waited for.
        """
        if (run := self._runs.get(key)) is not None:
            return run.stop()
        return await self._claims.stop_elsewhere(key)

    async def stream(
        self, key: Key, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """Run any function in a session and yield what it yields; a run that is stopped simply ends.

        Raises:
            SessionBusy: the session has a run.
        """
        work = _Call(functools.partial(function, *args, **kwargs))
        run = await self.start(key, work)
        try:
            async with aclosing(run.batches()) as batches:
                async for batch in batches:
                    for item in batch:
                        yield item
        finally:
            await run.disconnected()
        if work.failure is not None:
            raise work.failure

    def begin_to_stop(self) -> list[Run]:
        """Stop all runs of this process; return those that are to end now."""
        runs = list(self._runs.values())
        for run in runs:
            run.stop()
        return runs

    async def stop_all(self) -> None:
        """Stop all runs of this process, and wait for their ends, but not for ever."""
        ends = [asyncio.ensure_future(run.ended()) for run in self.begin_to_stop()]
        if ends:
            _, late = await asyncio.wait(ends, timeout=LAST_PATIENCE_S)
            for end in late:
                end.cancel()
            if late:
                logger.warning("%s handlers go on although they were stopped", len(late))

    async def aclose(self) -> None:
        """Stop all runs of this process, and let go of the backend."""
        await self.stop_all()
        await self._claims.aclose()


class _Call:
    """Work that is any function; its items are its only words."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._handler = Handler(call)
        self.failure: BaseException | None = None

    async def batches(self) -> AsyncGenerator[list[Any], None]:
        async with aclosing(self._handler.outputs()) as outputs:
            relay = Relay(outputs)
            while (output := await relay.next()) is not END:
                with relay:
                    yield [output]

    def completed(self) -> list[Any]:
        return []

    def failed(self, error: BaseException) -> list[Any]:
        self.failure = error
        return []

    def canceled(self) -> list[Any]:
        return []
