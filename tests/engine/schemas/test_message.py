"""Messages: what users write, and how users' own code builds them part by part."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agentscope_runtime.engine.schemas.agent_schemas import (
    AudioContent,
    DataContent,
    ImageContent,
    Message,
    TextContent,
)


def test_plain_text_is_content() -> None:
    """A string becomes one text part (W13)."""
    message = Message.model_validate({"role": "user", "content": "hello"})
    assert message.content == [TextContent(text="hello")]
    assert message.get_text_content() == "hello"


def test_unknown_content_is_refused() -> None:
    """A part of no known type is an error that names it."""
    with pytest.raises(ValidationError, match="hologram"):
        Message.model_validate({"role": "user", "content": [{"type": "hologram"}]})


def test_what_is_in_it() -> None:
    """Text is joined; pictures and sounds are listed."""
    message = Message(
        role="user",
        content=[
            TextContent(text="a"),
            ImageContent(image_url="http://localhost/a.png"),
            AudioContent(data="AA", format="wav"),
            ImageContent(),
            TextContent(text="b"),
        ],
    )
    assert message.get_text_content() == "ab"
    assert message.get_image_content() == ["http://localhost/a.png"]
    assert message.get_audio_content() == ["AA"]


def test_what_is_not_in_it() -> None:
    """No text is not the same as empty text."""
    assert Message().get_text_content() is None
    assert Message().get_image_content() == Message().get_audio_content() == []
    assert Message(content=[TextContent(text="")]).get_text_content() == ""


def test_text_that_grows() -> None:
    """A delta without an index begins a part; with one it extends it; each is returned as the event that it is."""
    message = Message(role="assistant")
    first = message.add_delta_content(TextContent(text="Hel"))
    second = message.add_delta_content(TextContent(text="lo", index=first.index))
    assert (first.index, first.delta, first.status, first.msg_id) == (0, True, "in_progress", message.id)
    assert isinstance(second, TextContent) and second.text == "lo"
    whole = message.content_completed(0)
    assert isinstance(whole, TextContent)
    assert (whole.text, whole.delta, whole.status) == ("Hello", None, "completed")
    assert message.get_text_content() == "Hello"


def test_a_call_that_grows() -> None:
    """The arguments of a call are joined; other values are the newest."""
    message = Message(role="assistant")
    message.add_delta_content(DataContent(data={"call_id": "1", "arguments": '{"a"'}))
    message.add_delta_content(DataContent(data={"name": "run", "arguments": ": 1}"}, index=0))
    part = message.content_completed(0)
    assert isinstance(part, DataContent)
    assert part.data == {"call_id": "1", "name": "run", "arguments": '{"a": 1}'}


def test_other_parts_are_replaced() -> None:
    """A picture does not grow: what is given is what it is."""
    message = Message(role="assistant")
    message.add_delta_content(AudioContent(data="AA", format="wav"))
    message.add_delta_content(AudioContent(data="BB", index=0))
    assert message.content is not None
    part = message.content[0]
    assert isinstance(part, AudioContent) and (part.data, part.format) == ("BB", "wav")


def test_a_part_that_is_whole() -> None:
    """It is complete at once, and the caller's object stays as it was."""
    message = Message(role="assistant")
    mine = ImageContent(image_url="http://localhost/a.png")
    event = message.add_content(mine)
    assert (event.index, event.delta, event.status, event.msg_id) == (0, None, "completed", message.id)
    assert mine.index is None and mine.status is None
