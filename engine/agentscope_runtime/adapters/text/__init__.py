"""Agents without a framework: handlers that read `request.input` and yield text.

They may yield messages and parts of messages, too, and whatever JSON can say. The other adapters take the same beside
what their frameworks make, by the same `stream.TextTranslator`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentscope_runtime.adapters.text.stream import TextTranslator
from agentscope_runtime.engine.schemas.message import Message


class TextAdapter:
    """Hands messages over as they came, and takes text."""

    def messages(self, messages: Sequence[Message], converters: Mapping[str, Callable[[Message], Any]]) -> list[Any]:
        """Return the messages, those of a type that has a converter as this makes them."""
        return [converters[m.type](m) if m.type in converters else m for m in messages]

    def translator(self, converters: Mapping[str, Callable[[Any], Any]]) -> TextTranslator:
        """Return a translator for one response; `converters` are by the name of a class (`str`, `dict`, …)."""
        return TextTranslator(converters)

    def serve(self, agent: Any) -> None:
        """Return None: there are no agents without a framework."""
        return None


ADAPTER = TextAdapter()
