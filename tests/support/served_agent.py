"""An agent behind its adapter's `serve`, asked a turn at a time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from agentscope.agent import AgentBase
from agentscope.message import Msg
from streamed import Reading, streamed

from agentscope_runtime.adapters.agentscope import ADAPTER


class Turns:
    """Asks a served agent, a turn at a time."""

    def __init__(self, agent: Any, states: Any) -> None:
        handler = ADAPTER.serve(agent)
        assert handler is not None
        self._handler, self._states = handler, states

    def outputs(self, said: str | list[Msg], session: str = "s", user: str = "u") -> Any:
        """Return what the handler yields, as it yields it."""
        request = SimpleNamespace(session_id=session, user_id=user)
        msgs = [Msg("user", said, "user")] if isinstance(said, str) else said
        return self._handler(None, msgs=msgs, request=request, states=self._states)

    async def ask(self, said: str | list[Msg], session: str = "s", user: str = "u") -> Reading:
        """Return what a client reads of one turn."""
        return streamed(ADAPTER.translator({}), [output async for output in self.outputs(said, session, user)])


class Echo(AgentBase):
    """An agent that prints nothing and cannot be interrupted in a good way."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.register_state("heard")
        self.holds: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def reply(self, msg: Any) -> Msg:
        """Say what was heard so far, or fail."""
        said = [one.get_text_content() for one in (msg if isinstance(msg, list) else [msg])]
        self.heard += said
        if said == ["fail"]:
            raise RuntimeError("broken")
        if self.holds is not None:
            self.reached.set()
            await self.holds.wait()
        return Msg("Echo", " ".join(self.heard), "assistant")
