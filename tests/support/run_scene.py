"""Runs of handlers that yield text, in one session, and what their reader reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from strict_reader import Reading, read

from agentscope_runtime.engine.frameworks import load
from agentscope_runtime.engine.handlers import Handler
from agentscope_runtime.engine.interrupts import LocalInterruptBackend, TaskState
from agentscope_runtime.engine.run import Run
from agentscope_runtime.engine.runner import Reply, Runner, with_ids
from agentscope_runtime.engine.runs import Runs
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest

KEY = ("alice", "session-1")
STATE_KEY = 'state:["alice", "session-1"]'


class Scene:
    """Runs, and what is known about their ends."""

    def __init__(self, backend: LocalInterruptBackend | None = None) -> None:
        self.backend = backend or LocalInterruptBackend()
        self.runs = Runs(self.backend)

    async def start(self, handler: Callable[..., Any], keep_running: bool = False) -> Run:
        """Begin a run of a text handler in the session of the tests."""
        request = with_ids(AgentRequest(input=[], user_id=KEY[0], session_id=KEY[1]))
        reply = Reply(Runner(), request, Handler(handler), load(None), {})
        return await self.runs.start(KEY, reply, keep_running=keep_running)

    async def state(self) -> TaskState | None:
        """Return how the session's run is, or was."""
        return await self.backend.get_task_state(STATE_KEY)

    async def read_to_the_end(self, handler: Callable[..., Any]) -> Reading:
        """Run a handler, and return what its reader reads."""
        return await reading_of(await self.start(handler))


async def reading_of(run: Run, begun: asyncio.Event | None = None) -> Reading:
    """Return what a strict reader reads of a run; `begun` is set when there are words of the handler."""
    events: list[dict[str, Any]] = []
    async for batch in run.batches():
        events += [event.model_dump(mode="json") for event in batch]
        if begun is not None and any(event["object"] == "content" for event in events):
            begun.set()
    return read(events)


async def says(*words: str) -> AsyncGenerator[str, None]:
    """Say some words."""
    for word in words:
        yield word


async def waits() -> AsyncGenerator[str, None]:
    """Say a word and wait for ever."""
    yield "first"
    await asyncio.Event().wait()
