"""Agents without a framework: handlers that read `request.input` and yield text.

They may yield messages and parts of messages, too, and whatever JSON can say. The other adapters take the same beside
what their frameworks make, by the same `stream.TextTranslator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentscope_runtime.adapters.text.stream import TextTranslator
from agentscope_runtime.engine.frameworks import Adapter, Converters
from agentscope_runtime.engine.schemas.message import Message


def _as_they_came(messages: Sequence[Message], converters: Converters) -> list[Any]:
    """Return the messages, those of a type that has a converter as this makes them."""
    return [converters[m.type](m) if m.type in converters else m for m in messages]


def _no_agents(agent: Any) -> None:
    """Return None: there are no agents without a framework."""


ADAPTER = Adapter(messages=_as_they_came, translator=TextTranslator, serve=_no_agents)
