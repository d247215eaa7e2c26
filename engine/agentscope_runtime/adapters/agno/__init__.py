"""Agents and teams made with agno."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from agentscope_runtime.adapters.agno.agent import serve
from agentscope_runtime.adapters.agno.message import message_to_agno_message
from agentscope_runtime.adapters.agno.stream import AgnoTranslator
from agentscope_runtime.engine.schemas.message import Message


class AgnoAdapter:
    """Hands over messages as agno's agents take them, and takes the events of runs."""

    def messages(self, messages: Sequence[Message], converters: Mapping[str, Callable[[Message], Any]]) -> list[Any]:
        """Return the input as a list of dicts, ready to be an agent's input."""
        return message_to_agno_message(messages, converters)

    def translator(self, converters: Mapping[str, Callable[[Any], Any]]) -> AgnoTranslator:
        """Return a translator for one response."""
        return AgnoTranslator(converters)

    def serve(self, agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
        """Return a handler that runs a ready agent or team, and keeps its state."""
        return serve(agent)


ADAPTER = AgnoAdapter()
