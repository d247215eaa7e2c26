"""What a client reads of the outputs of a handler: through the event writer, with the eyes of the strict reader."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from strict_reader import Reading, read

from agentscope_runtime.engine.events import EventWriter
from agentscope_runtime.engine.frameworks import Translator

__all__ = ["Reading", "events", "streamed"]


def events(translator: Translator, outputs: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the events of a response in which a handler yielded these outputs, as JSON has them."""
    writer = EventWriter(session_id="session")
    written = writer.begin()
    for output in outputs:
        for step in translator.take(output):
            written += writer.take(step)
    for step in translator.finish():
        written += writer.take(step)
    written += writer.complete()
    return [event.model_dump(mode="json") for event in written]


def streamed(translator: Translator, outputs: Iterable[Any]) -> Reading:
    """Return what a client has at the end; fails where the stream is not as the contract wants it."""
    return read(events(translator, outputs))
