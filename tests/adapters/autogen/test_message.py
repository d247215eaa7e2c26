"""Our messages as autogen's."""

from __future__ import annotations

import base64
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from autogen_agentchat.messages import MultiModalMessage, TextMessage, ToolCallSummaryMessage
from autogen_core import FunctionCall, Image
from PIL import Image as Pillow
from recorded_box import PIXEL

from agentscope_runtime.adapters.autogen import ADAPTER
from agentscope_runtime.adapters.autogen.message import TooManyPixels
from agentscope_runtime.adapters.media import Medium
from agentscope_runtime.engine.schemas.agent_schemas import Message
from agentscope_runtime.engine.schemas.exception import InvalidParameterException

PICTURE = f"data:image/png;base64,{PIXEL}"


def convert(*messages: Message, **converters: Any) -> list[Any]:
    """Return what a handler gets."""
    converted: list[Any] = ADAPTER.messages(messages, converters)
    return converted


def user(*parts: dict[str, Any]) -> Message:
    """Make a message of the user."""
    return Message(role="user", content=list(parts))


def told(type: str, **data: Any) -> Message:
    """Make a call or a result."""
    return Message(role="assistant", type=type, content=[{"type": "data", "data": data}])


def test_text_is_a_text_message() -> None:
    """Of whoever said it; under the name that autogen knows, where a model's API takes it."""
    named = [{"original_name": "friday"}, {"original_name": "Fri day"}]
    converted = convert(
        Message(role="user", content="hi"),
        *(Message(role="assistant", content="hello", metadata=metadata) for metadata in named),
    )
    assert all(isinstance(message, TextMessage) for message in converted)
    assert [(message.source, message.content) for message in converted] == [
        ("user", "hi"),
        ("friday", "hello"),
        ("assistant", "hello"),
    ]


def test_pictures_that_are_here_are_pictures() -> None:
    """What is elsewhere, and what autogen has no place for, is mentioned."""
    (message,) = convert(
        user(
            {"type": "text", "text": "Look"},
            {"type": "image", "image_url": PICTURE},
            {"type": "image", "image_url": "https://example.com/a.png"},
            {"type": "audio", "data": "AAAA", "format": "mp3"},
            {"type": "video", "video_url": "https://example.com/a.mp4"},
            {"type": "file", "file_data": "AAAA", "filename": "a.pdf"},
            {"type": "data", "data": {"answer": 42}},
        )
    )
    assert isinstance(message, MultiModalMessage)
    assert isinstance(message.content[1], Image)
    assert [part for part in message.content if isinstance(part, str)] == [
        "Look",
        "[image: https://example.com/a.png]",
        "[audio: attached]",
        "[video: https://example.com/a.mp4]",
        "[file: a.pdf]",
        '{"answer": 42}',
    ]


def test_a_picture_that_is_none_is_the_clients_mistake() -> None:
    """It is told so, instead of that something unknown happened."""
    with pytest.raises(InvalidParameterException, match="an image of the request cannot be read as image/png"):
        convert(user({"type": "image", "image_url": "data:image/png;base64,AAAA"}))


def blank(width: int, height: int) -> dict[str, Any]:
    """Make a picture whose header says how large it is, without its pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk).decode()
    return {"type": "image", "image_url": f"data:image/png;base64,{png}"}


@pytest.mark.parametrize("size", [(6400, 6300), (13000, 13000), (60000, 60000)])
def test_a_picture_that_would_fill_the_memory_is_refused_unseen(size: tuple[int, int]) -> None:
    """A few kilobytes may be gigabytes of pixels; the header says so."""
    with pytest.raises(TooManyPixels, match="pixel"):
        convert(user(blank(*size)))


def test_many_pictures_are_counted_together() -> None:
    """Each is small enough, all are not: in one message or in several."""
    large = Pillow.new("1", (5000, 5000))
    (stream := BytesIO()).name = "a.png"
    large.save(stream)
    picture = {"type": "image", "image_url": Medium.of(stream.getvalue(), "image/png").url}
    assert isinstance(convert(user(picture))[0], MultiModalMessage)
    for messages in ([user(picture, picture)], [user(picture), user(picture)]):
        with pytest.raises(TooManyPixels, match="send smaller ones"):
            convert(*messages)


def test_a_call_and_its_result_are_a_summary() -> None:
    """In words for models, and with the call and the result for programs."""
    (summary,) = convert(
        told("plugin_call", call_id="c1", name="look", arguments='{"at": 1}'),
        told("plugin_call_output", call_id="c1", name="look", output=[{"type": "text", "text": "page"}]),
    )
    assert isinstance(summary, ToolCallSummaryMessage)
    assert summary.content == 'look({"at": 1}) returned: [{"type": "text", "text": "page"}]'
    assert summary.tool_calls == [FunctionCall(id="c1", name="look", arguments='{"at": 1}')]
    assert summary.results[0].call_id == "c1"


def test_a_call_without_a_result_and_a_result_without_a_call_are_told() -> None:
    """Nothing that a client sends is dropped, except thoughts."""
    converted = convert(
        Message(role="assistant", type="reasoning", content="hm"),
        told("plugin_call", call_id="c1", name="look", arguments={"at": 1}),
        told("plugin_call_output", call_id="c2", name="click", output="ok"),
    )
    assert [message.content for message in converted] == ['look({"at": 1})', "click({}) returned: ok"]


def test_converters_replace_types() -> None:
    """A converter may give one message, or several."""
    own = TextMessage(content="own", source="user")
    assert convert(Message(role="user", content="hi"), message=lambda message: own) == [own]
    assert convert(told("plugin_call", name="x"), plugin_call=lambda message: [own, own]) == [own, own]
