"""Ready agents that hold a conversation themselves, lent to one run at a time, or made anew for each.

An agent is lent as it was at first, and given the state of its session. It comes back when its run has really ended:
one that was stopped may go on for a while, and would write into the conversation of whoever had the agent meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from agentscope_runtime.engine.errors import EngineError

logger = logging.getLogger(__name__)

AgentT = TypeVar("AgentT")

MOST_UNREAD = 64
"""Outputs that wait for their reader before the agent does. Each may hold all of its content."""

PATIENCE_S = 5.0
"""How long an agent that is stopped may take to put its memory in order, and to end what it has begun."""

LAST_PATIENCE_S = 60.0
"""How long the others wait for a run that goes on after that, before they are told that the agent is busy."""


class AgentBusy(EngineError):
    """The agent still does what a run that was stopped has begun, and can be lent to nobody else meanwhile."""

    code, status, title = "agent_busy", 503, "Agent busy"


@dataclass(slots=True)
class Loan(Generic[AgentT]):
    """An agent, in the hands of one run."""

    agent: AgentT
    late: set[asyncio.Task[Any]] = field(default_factory=set)
    """What goes on although it was stopped; the agent is not free before its end."""

    async def end(self, run: asyncio.Task[Any]) -> None:
        """Wait a while for the end of what was stopped."""
        try:
            if not run.done():
                await asyncio.wait({run}, timeout=PATIENCE_S)
        finally:  # also where this itself is cancelled
            if not run.done():
                logger.warning("%s goes on, although it was stopped: the agent is not free yet", run.get_name())
                self.late.add(run)
            run.add_done_callback(_note)


Lend = Callable[[], AbstractAsyncContextManager[Loan[AgentT]]]


@dataclass(slots=True)
class _Turns:
    """Who has an agent, in one event loop."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    late: set[asyncio.Task[Any]] = field(default_factory=set)
    until: float = 0.0

    @asynccontextmanager
    async def take(self, agent: AgentT) -> AsyncIterator[Loan[AgentT]]:
        """Wait until the agent is free, and have it."""
        async with self.lock:
            await self._free()
            loan = Loan(agent)
            try:
                yield loan
            finally:
                self.late, self.until = loan.late, asyncio.get_running_loop().time() + LAST_PATIENCE_S

    async def _free(self) -> None:
        if self.late:
            left = self.until - asyncio.get_running_loop().time()
            _, self.late = await asyncio.wait(self.late, timeout=max(0.0, left))
        if self.late:
            raise AgentBusy("the agent still does what a run that was stopped has begun: try again later")


@dataclass(frozen=True, slots=True)
class Keeping(Generic[AgentT]):
    """How agents of a framework say what they know, and are told."""

    save: Callable[[AgentT], Awaitable[dict[str, Any]]]
    load: Callable[[AgentT, dict[str, Any]], Awaitable[None]]
    forget: Callable[[AgentT], Awaitable[None]] | None = None  #: what their state does not say

    def the_one(self, agent: AgentT) -> Lend[AgentT]:
        """Lend one agent to one run at a time, each time as it was at first."""
        turns = WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns]()  # served again, it is in another loop
        at_first: list[dict[str, Any]] = []

        @asynccontextmanager
        async def lend() -> AsyncIterator[Loan[AgentT]]:
            async with turns.setdefault(asyncio.get_running_loop(), _Turns()).take(agent) as loan:
                if at_first:
                    if self.forget is not None:
                        await self.forget(agent)
                    await self.load(agent, deepcopy(at_first[0]))
                else:
                    at_first.append(deepcopy(await self.save(agent)))
                yield loan

        return lend

    async def restore(self, agent: AgentT, state: dict[str, Any] | None, session_id: str) -> None:
        """Give an agent the state of a session, unless it is that of another agent."""
        if not state:
            return
        as_made = deepcopy(await self.save(agent))
        try:
            await self.load(agent, state)
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("session %s begins anew: its state is not one of this agent (%r)", session_id, error)
            await self.load(agent, as_made)


def a_new_one(make: Callable[[], Awaitable[AgentT]]) -> Lend[AgentT]:
    """Make an agent for each run."""

    @asynccontextmanager
    async def lend() -> AsyncIterator[Loan[AgentT]]:
        yield Loan(await make())

    return lend


def _note(run: asyncio.Task[Any]) -> None:
    """Say how a run ended that was stopped: nobody else asks."""
    if not run.cancelled() and (error := run.exception()):
        logger.debug("%s ended with %r", run.get_name(), error)
