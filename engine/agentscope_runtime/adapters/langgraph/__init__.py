"""Agents made with langgraph, and whatever else speaks in langchain's messages."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from agentscope_runtime.adapters.langgraph.message import message_to_langgraph_msg
from agentscope_runtime.adapters.langgraph.stream import LangGraphTranslator
from agentscope_runtime.engine.schemas.message import Message


class LangGraphAdapter:
    """Hands over langchain's messages, and takes them, whole or in chunks."""

    def messages(self, messages: Sequence[Message], converters: Mapping[str, Callable[[Message], Any]]) -> list[Any]:
        """Return the input as langchain's messages."""
        return message_to_langgraph_msg(messages, converters)

    def translator(self, converters: Mapping[str, Callable[[Any], Any]]) -> LangGraphTranslator:
        """Return a translator for one response."""
        return LangGraphTranslator(converters)

    def serve(self, agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
        """Return a handler that runs a compiled graph, and keeps its state."""
        if "langgraph" not in sys.modules:
            return None  # langchain alone has no graphs
        from agentscope_runtime.adapters.langgraph.agent import serve

        return serve(agent)


ADAPTER = LangGraphAdapter()
