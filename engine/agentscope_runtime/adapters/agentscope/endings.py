"""Replies of agents that are stopped come to their end, and before it their memory is in order.

agentscope's `stream_printing_messages` runs an agent in a task that goes on when its reader leaves: stopped by nobody,
it would ask the model and use the session's sandboxes beside the next turn. And `agent.interrupt()` returns before the
agent has noted what was broken off: a handler that saves its state then would save a call without a result, which no
model takes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from agentscope.agent import AgentBase

from agentscope_runtime.adapters.agentscope.replacing import replace_once
from agentscope_runtime.adapters.lending import PATIENCE_S
from agentscope_runtime.engine.services.keepalive import ending_with_the_run

logger = logging.getLogger(__name__)


def end_with_their_run() -> None:
    """Have replies that a handler began end when it is stopped, and `interrupt` wait for the end.

    Outside of a run, and in one that comes to its own end, agents do what they did. Called again, it does nothing.
    """
    replace_once(AgentBase, "interrupt", _waiting)
    replace_once(AgentBase, "__call__", _within_run)


def _waiting(interrupt: Callable[..., Any]) -> Callable[..., Any]:
    async def interrupt_and_wait(self: AgentBase, *args: Any, **kwargs: Any) -> None:
        reply = self._reply_task
        await interrupt(self, *args, **kwargs)
        if reply is not None and reply is not asyncio.current_task():
            _, late = await asyncio.wait({reply}, timeout=PATIENCE_S)
            if late:
                logger.warning("%s goes on, although it was interrupted", type(self).__name__)

    return interrupt_and_wait


def _within_run(call: Callable[..., Any]) -> Callable[..., Any]:
    async def call_within_run(self: AgentBase, *args: Any, **kwargs: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        with ending_with_the_run(task):
            return await call(self, *args, **kwargs)

    return call_within_run
