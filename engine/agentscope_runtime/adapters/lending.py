"""Ready agents that hold a conversation themselves, lent to one run at a time, or made anew for each.

An agent is lent as it was at first, and given the state of its session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

logger = logging.getLogger(__name__)

AgentT = TypeVar("AgentT")

MOST_UNREAD = 64
"""Outputs that wait for their reader before the agent does. Each may hold all of its content."""

PATIENCE_S = 5.0
"""How long an agent that is stopped may take to put its memory in order, and to end what it has begun."""

Lend = Callable[[], AbstractAsyncContextManager[AgentT]]


@dataclass(frozen=True, slots=True)
class Keeping(Generic[AgentT]):
    """How agents of a framework say what they know, and are told."""

    save: Callable[[AgentT], Awaitable[dict[str, Any]]]
    load: Callable[[AgentT, dict[str, Any]], Awaitable[None]]
    forget: Callable[[AgentT], Awaitable[None]] | None = None  #: what their state does not say

    def the_one(self, agent: AgentT) -> Lend[AgentT]:
        """Lend one agent to one run at a time, each time as it was at first."""
        lock = asyncio.Lock()
        at_first: list[dict[str, Any]] = []

        @asynccontextmanager
        async def lend() -> AsyncIterator[AgentT]:
            async with lock:
                if at_first:
                    if self.forget is not None:
                        await self.forget(agent)
                    await self.load(agent, deepcopy(at_first[0]))
                else:
                    at_first.append(deepcopy(await self.save(agent)))
                yield agent

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
    async def lend() -> AsyncIterator[AgentT]:
        yield await make()

    return lend
