"""Agents and teams made with autogen (`autogen-agentchat`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from agentscope_runtime.adapters.autogen.agent import serve
from agentscope_runtime.adapters.autogen.message import message_to_autogen_msg
from agentscope_runtime.adapters.autogen.stream import AutogenTranslator
from agentscope_runtime.engine.schemas.message import Message


class AutogenAdapter:
    """Hands over autogen's chat messages, and takes its messages and events."""

    def messages(self, messages: Sequence[Message], converters: Mapping[str, Callable[[Message], Any]]) -> list[Any]:
        """Return the input as autogen's messages, ready to be a task."""
        return message_to_autogen_msg(messages, converters)

    def translator(self, converters: Mapping[str, Callable[[Any], Any]]) -> AutogenTranslator:
        """Return a translator for one response."""
        return AutogenTranslator(converters)

    def serve(self, agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
        """Return a handler that runs a ready agent or team, and keeps its state."""
        return serve(agent)


ADAPTER = AutogenAdapter()
