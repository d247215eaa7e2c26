"""What handlers without a framework may yield."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel
from streamed import Reading, streamed

from agentscope_runtime.adapters.text import ADAPTER
from agentscope_runtime.adapters.text.stream import TextTranslator
from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.schemas.agent_schemas import ImageContent, Message, TextContent


def read(*outputs: Any) -> Reading:
    """Return what a client reads of a handler that yields this."""
    return streamed(TextTranslator(), outputs)


class Weather(BaseModel):
    """Something a handler knows."""

    city: str
    at: datetime


def test_strings_become_one_message() -> None:
    """Each string is a delta of the same message."""
    reading = read("The capital", " of France", " is Paris.")
    assert reading.text == "The capital of France is Paris."
    assert [message["text"] for message in reading.messages] == ["The capital of France is Paris."]


def test_nothing_becomes_no_message() -> None:
    """A handler that yields nothing, or None, has an empty answer; not one with an empty message in it."""
    assert read().messages == []
    assert read(None).messages == []


def test_a_ready_message_stays_as_it_is() -> None:
    """Type, role, id, metadata and all parts are those of the message."""
    said = Message(
        type="reasoning",
        role="assistant",
        content=[TextContent(text="Let me see."), ImageContent(image_url="https://example.com/a.png")],
        metadata={"by": "a test"},
    )
    (message,) = read(said).messages
    assert (message["type"], message["id"], message["metadata"]) == ("reasoning", said.id, {"by": "a test"})
    assert [part["type"] for part in message["content"]] == ["text", "image"]
    assert message["text"] == "Let me see."


def test_a_message_ends_the_text_before_it() -> None:
    """Text before and after a ready message are two messages."""
    reading = read("before", Message(role="assistant", content="between"), "after")
    assert [message["text"] for message in reading.messages] == ["before", "between", "after"]


def test_a_part_stands_where_it_was_yielded() -> None:
    """Text, a picture and text again are three parts of one message."""
    (message,) = read("See ", ImageContent(image_url="data:image/png;base64,AA=="), "there").messages
    assert [part["type"] for part in message["content"]] == ["text", "image", "text"]
    assert message["text"] == "See there"


@dataclass
class Point:
    """A place."""

    x: int
    y: int


@pytest.mark.parametrize(
    ("output", "data"),
    [
        ({"answer": 42, "when": datetime(2026, 1, 2, tzinfo=UTC)}, {"answer": 42, "when": "2026-01-02T00:00:00Z"}),
        (
            Weather(city="Paris", at=datetime(2026, 1, 2, tzinfo=UTC)),
            {"city": "Paris", "at": "2026-01-02T00:00:00Z"},
        ),
        (Point(1, 2), {"x": 1, "y": 2}),
    ],
)
def test_structured_values_become_data(output: Any, data: dict[str, Any]) -> None:
    """What JSON can say is a data part, dates and models included."""
    (message,) = read(output).messages
    assert [(part["type"], part["data"]) for part in message["content"]] == [("data", data)]


def test_a_list_is_its_items() -> None:
    """A handler that returns all its messages at once is understood."""
    reading = read([Message(role="assistant", content="one"), Message(role="assistant", content="two")])
    assert [message["text"] for message in reading.messages] == ["one", "two"]


def test_what_makes_no_sense_is_refused() -> None:
    """The error says what came and what may come."""
    with pytest.raises(UnusableOutput, match=r"int 42; it may yield str"):
        TextTranslator().take(42)


def test_a_converter_makes_sense_of_other_things() -> None:
    """Out-converters are found by the name of the class."""
    reading = streamed(ADAPTER.translator({"int": lambda number: f"number {number}"}), [42])
    assert reading.text == "number 42"


def test_messages_reach_the_handler_unchanged() -> None:
    """Without a framework, `msgs` is the input; a converter changes the messages of its type."""
    hello = Message(role="user", content="hello")
    thought = Message(role="assistant", type="reasoning", content="hm")
    assert ADAPTER.messages([hello, thought], {}) == [hello, thought]
    assert ADAPTER.messages([hello, thought], {"reasoning": Message.get_text_content}) == [hello, "hm"]
