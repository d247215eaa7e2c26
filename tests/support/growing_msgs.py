"""Msgs of agentscope as they grow, and what clients read of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agentscope.message import Msg
from streamed import Reading, events, streamed

from agentscope_runtime.adapters.agentscope import ADAPTER

Block = Any
"""A dictionary, as one of agentscope's classes for them or another."""
PIXEL = "iVBORw0KGgo="


def read(*outputs: Any, **converters: Any) -> Reading:
    """Return what a client reads of a handler that yields this."""
    return streamed(ADAPTER.translator(converters), outputs)


def text(said: str) -> Block:
    """Make a block of text."""
    return {"type": "text", "text": said}


def thought(said: str) -> Block:
    """Make a block of thoughts."""
    return {"type": "thinking", "thinking": said}


def call(id: str = "call-1", name: str = "look", **more: Any) -> Block:
    """Make a block that calls a tool."""
    return {"type": "tool_use", "id": id, "name": name, "input": {}, **more}


def result(output: Any, id: str = "call-1", name: str = "look") -> Block:
    """Make a block with what a tool returned."""
    return {"type": "tool_result", "id": id, "name": name, "output": output}


def picture(data: str = PIXEL) -> Block:
    """Make a block with a picture in it."""
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def grown(*contents: Any, id: str = "msg-1", name: str = "Friday", last: bool = True, role: Any = "assistant") -> Any:
    """Yield a Msg as it grows, as `stream_printing_messages` does."""
    for number, content in enumerate(contents, 1):
        msg = Msg(name, content, role)
        msg.id = id
        yield msg, last and number == len(contents)


def kinds(reading: Reading) -> list[str]:
    """Return the types of the messages in the output."""
    return [message["type"] for message in reading.response["output"]]


def told(outputs: Iterable[Any], **converters: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield object, status and own value of each event between the first two and the last one."""
    for event in events(ADAPTER.translator(converters), outputs)[2:-1]:
        value = event["type"] if event["object"] == "message" else event[event["type"]]
        yield event["object"], event["status"], value
