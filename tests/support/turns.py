"""Turns of conversations with served agents, without an application: the handler, its adapter, and kept states."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from streamed import Reading, streamed

from agentscope_runtime.engine.frameworks import Adapter
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest, Message


class KeptStates:
    """A state service that keeps what JSON can say, and nothing else, like those that keep it elsewhere."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str | None], str] = {}

    async def save_state(self, user_id: str, state: dict[str, Any], session_id: str | None = None) -> int:
        """Keep a state."""
        self.kept[user_id, session_id] = json.dumps(state)
        return 1

    async def export_state(self, user_id: str, session_id: str | None = None) -> dict[str, Any] | None:
        """Return what was kept."""
        kept = self.kept.get((user_id, session_id))
        return None if kept is None else json.loads(kept)


class Conversations:
    """Talks with one served agent, in any number of sessions."""

    def __init__(self, adapter: Adapter, agent: Any) -> None:
        handler = adapter.serve(agent)
        assert handler is not None, "the adapter does not take it for an agent"
        self._adapter = adapter
        self._handler: Callable[..., Any] = handler
        self.states = KeptStates()

    async def say(self, text: str | list[dict[str, Any]], session: str = "s1", user: str = "u1") -> Reading:
        """Say something, and return what a client reads of the answer."""
        async with aclosing(self.outputs(text, session, user)) as outputs:
            said = [output async for output in outputs]
        return streamed(self._adapter.translator({}), said)

    async def outputs(
        self, text: str | list[dict[str, Any]], session: str = "s1", user: str = "u1"
    ) -> AsyncGenerator[Any, None]:
        """Say something, and yield what the handler yields; no longer than it is read."""
        message = Message.model_validate({"role": "user", "content": text})
        request = AgentRequest(input=[message], session_id=session, user_id=user)
        msgs = self._adapter.messages(request.input, {})
        async with aclosing(self._handler(None, msgs=msgs, request=request, states=self.states)) as outputs:
            async for output in outputs:
                yield output
