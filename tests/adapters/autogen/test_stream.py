"""What agents of autogen yield, as clients read it."""

from __future__ import annotations

from typing import Any

import pytest
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    HandoffMessage,
    MemoryQueryEvent,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    StructuredMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
)
from autogen_core import FunctionCall, Image
from autogen_core.models import FunctionExecutionResult, RequestUsage
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from recorded_box import PIXEL
from streamed import Reading, events, streamed

from agentscope_runtime.adapters.autogen import ADAPTER
from agentscope_runtime.adapters.autogen.tool import ToolPictures
from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.schemas.agent_schemas import Message

COST = RequestUsage(prompt_tokens=3, completion_tokens=2)
TOLD_COST = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
CALL = FunctionCall(id="c1", name="look", arguments='{"at": 1}')
RESULT = FunctionExecutionResult(content="a page", name="look", call_id="c1", is_error=False)


def read(*outputs: Any, **converters: Any) -> Reading:
    """Return what a client reads of a handler that yields this."""
    return streamed(ADAPTER.translator(converters), outputs)


def text(content: str, id: str = "m1", **more: Any) -> TextMessage:
    """Make a message of the agent."""
    return TextMessage(content=content, source="friday", id=id, **more)


def piece(content: str, id: str | None = "m1") -> ModelClientStreamingChunkEvent:
    """Make a piece of a message."""
    return ModelClientStreamingChunkEvent(content=content, source="friday", full_message_id=id)


def told(reading: Reading) -> list[tuple[str, str]]:
    """Return types and texts of the messages."""
    return [(message["type"], message["text"]) for message in reading.messages]


def test_pieces_are_deltas_and_the_message_is_their_end() -> None:
    """The whole message is not told again, but completes what was streamed and says what it cost."""
    outputs = [piece("Hello "), piece("there"), text("Hello there", models_usage=COST)]
    written = events(ADAPTER.translator({}), outputs)
    assert [event["text"] for event in written if event["object"] == "content" and event["delta"]] == [
        "Hello ",
        "there",
    ]
    (message,) = read(*outputs).messages
    assert (message["text"], message["usage"]) == ("Hello there", TOLD_COST)
    assert message["metadata"] == {"original_id": "m1", "original_name": "friday"}


def test_pieces_without_an_id_belong_to_the_next_message_of_their_source() -> None:
    """Agents of one's own may not name the message in advance."""
    assert told(read(piece("Hel", None), piece("lo", None), text("Hello"))) == [("message", "Hello")]


def test_what_the_agent_was_given_is_not_its_answer() -> None:
    """Streams of autogen begin with the task: a string's message of the user, or the messages of the request."""
    (question, before) = ADAPTER.messages(
        [Message(role="user", content="hi"), Message(role="assistant", content="earlier")], {}
    )
    reading = read(TextMessage(content="hi", source="user"), question, before, text("Hello"))
    assert told(reading) == [("message", "Hello")]


def test_a_result_tells_only_what_was_not_streamed() -> None:
    """After a stream it adds nothing; returned by a handler it is the answer."""
    result = TaskResult(messages=[TextMessage(content="hi", source="user"), text("Hello")])
    assert told(read(text("Hello"), result)) == [("message", "Hello")]
    assert told(read(result)) == [("message", "Hello")]
    inner: list[Any] = [ToolCallRequestEvent(content=[CALL], source="friday")]
    response = Response(chat_message=text("Hello"), inner_messages=inner)
    assert [message["type"] for message in read(response).messages] == ["plugin_call", "message"]


def test_calls_and_results_are_messages() -> None:
    """Each call, and each result in the name of the tool; a failure is marked. The last call says what they cost."""
    second = FunctionCall(id="c2", name="look", arguments="{}")
    failure = FunctionExecutionResult(content="no such page", name="look", call_id="c2", is_error=True)
    reading = read(
        ToolCallRequestEvent(content=[CALL, second], source="friday", models_usage=COST),
        ToolCallExecutionEvent(content=[RESULT, failure], source="friday"),
        ToolCallSummaryMessage(content="a page", source="friday", tool_calls=[CALL], results=[RESULT]),
    )
    first, again, page, missing, end = reading.messages
    assert [first["type"], first["role"], page["type"], page["role"], end["type"]] == [
        *("plugin_call", "assistant", "plugin_call_output", "tool", "message")
    ]
    assert first["content"][0]["data"] == {"call_id": "c1", "name": "look", "arguments": '{"at": 1}'}
    assert page["content"][0]["data"] == {"call_id": "c1", "name": "look", "output": "a page"}
    assert (first["usage"], again["usage"], missing["metadata"]) == (None, TOLD_COST, {"status": "error"})
    assert reading.response["usage"] == TOLD_COST


def test_pictures_stand_in_the_result_of_their_call() -> None:
    """Tools of ours say beside autogen what they show."""
    url = f"data:image/png;base64,{PIXEL}"
    reading = read(
        ToolCallRequestEvent(content=[CALL], source="friday"),
        ToolPictures(source="look", call_id="c1", pictures=[url]),
        ToolCallExecutionEvent(content=[RESULT], source="friday"),
    )
    assert [part.get("image_url") for part in reading.messages[1]["content"]] == [None, url]


def test_a_thought_is_reasoning() -> None:
    """Told at once where it was not streamed."""
    reading = read(ThoughtEvent(content="Well", source="friday"), text("Hello"))
    assert told(reading) == [("reasoning", "Well"), ("message", "Hello")]


def test_a_streamed_thought_is_reasoning_and_told_once() -> None:
    """It comes in tags within the text; the event that repeats it adds nothing."""
    pieces = [piece("<think>Well"), piece(", then"), piece("</think>"), piece("Hello")]
    first = read(*pieces, ThoughtEvent(content="Well, then", source="friday", id="m1"), text("Hello", id="m2"))
    assert told(first)[:2] == [("reasoning", "Well, then"), ("message", "Hello")]
    reflected = read(*pieces, ThoughtEvent(content="Well, then", source="friday", id="other"), text("Hello"))
    assert told(reflected) == [("reasoning", "Well, then"), ("message", "Hello")]


def test_text_before_calls_is_told_once() -> None:
    """Autogen repeats what was streamed before a call as a thought."""
    reading = read(
        piece("Let me look."),
        ThoughtEvent(content="Let me look.", source="friday", id="m1"),
        ToolCallRequestEvent(content=[CALL], source="friday"),
    )
    assert [message["type"] for message in reading.messages] == ["message", "plugin_call"]


def test_a_stream_that_ends_in_calls_is_completed() -> None:
    """Nothing is left open while tools run, even where nobody said that the text was over."""
    reading = read(piece("Let me"), ToolCallRequestEvent(content=[CALL], source="friday"), piece("Done"), text("Done"))
    assert told(reading) == [("message", "Let me"), ("plugin_call", None), ("message", "Done")]


def test_pictures_of_a_message_are_its_parts() -> None:
    """Text and pictures stay in their order."""
    said = MultiModalMessage(content=["See", Image.from_base64(PIXEL), "there"], source="friday")
    (message,) = read(said).messages
    assert [part["type"] for part in message["content"]] == ["text", "image", "text"]
    assert message["content"][1]["image_url"].startswith("data:image/png;base64,")


class Weather(BaseModel):
    """Something an agent knows."""

    city: str


def test_a_structured_answer_is_text_and_data() -> None:
    """Streamed or not."""
    said = StructuredMessage[Weather](content=Weather(city="Paris"), source="friday", id="m1")
    for outputs in ([said], [piece('{"city":'), piece('"Paris"}'), said]):
        (message,) = read(*outputs).messages
        assert [part["type"] for part in message["content"]] == ["text", "data"]
        assert (message["text"], message["content"][1]["data"]) == ('{"city":"Paris"}', {"city": "Paris"})


class Custom(BaseAgentEvent):
    """An event of somebody's own."""

    def to_text(self) -> str:
        """Say it in words."""
        return "custom"


def test_what_users_are_not_told_is_dropped() -> None:
    """Unless a converter says what it means."""
    quiet = [MemoryQueryEvent(content=[], source="friday"), Custom(source="friday")]
    assert read(*quiet).messages == []
    assert told(read(*quiet, Custom=lambda event: event.to_text())) == [("message", "custom")]
    assert told(read(text("Hi"), TextMessage=lambda message: message.content.upper())) == [("message", "HI")]


def test_other_messages_are_their_text() -> None:
    """A hand-over is told as what the agent says about it."""
    handoff = HandoffMessage(content="Over to you.", target="bob", source="friday")
    assert told(read(handoff)) == [("message", "Over to you.")]


def test_costs_add_up() -> None:
    """The response costs what all its model calls did."""
    reading = read(text("a", models_usage=COST), text("b", id="m2", models_usage=COST))
    assert reading.response["usage"] == {"input_tokens": 6, "output_tokens": 4, "total_tokens": 10}


def test_costs_that_nobody_knows_are_not_told_as_nothing() -> None:
    """Clients that are not told by their model count zero."""
    reading = read(text("a", models_usage=RequestUsage(prompt_tokens=0, completion_tokens=0)))
    assert (reading.messages[0]["usage"], reading.response["usage"]) == (None, None)


def test_our_own_words_may_be_mixed_in() -> None:
    """Strings and ready messages beside autogen's; anything else is refused."""
    assert told(read("Wait. ", text("Hello"), Message(role="assistant", content="Bye"))) == [
        ("message", "Wait. "),
        ("message", "Hello"),
        ("message", "Bye"),
    ]
    with pytest.raises(UnusableOutput, match="autogen"):
        read(42)


ANYTHING: list[Any] = [
    *(piece(words, id) for words in ("a", "<think>hm", "</think>", "<thi") for id in ("m1", None)),
    text("a"),
    text("b", id="m2", models_usage=COST),
    TextMessage(content="asked", source="user"),
    StructuredMessage[Weather](content=Weather(city="Paris"), source="friday", id="m1"),
    MultiModalMessage(content=["a", Image.from_base64(PIXEL)], source="friday", id="m3"),
    ThoughtEvent(content="hm", source="friday", id="m1"),
    ThoughtEvent(content="hm", source="friday"),
    ToolCallRequestEvent(content=[CALL], source="friday"),
    ToolPictures(source="look", call_id="c1", pictures=[f"data:image/png;base64,{PIXEL}"]),
    ToolCallExecutionEvent(content=[RESULT], source="friday"),
    TaskResult(messages=[text("a"), text("c", id="m4")]),
    "text",
    Message(role="assistant", content="ready"),
]


@given(st.lists(st.sampled_from(ANYTHING), max_size=12))
def test_no_order_of_outputs_breaks_the_stream(outputs: list[Any]) -> None:
    """However odd an agent is: what comes out is a stream, and whatever was said in it is told."""
    reading = read(*outputs)
    assert reading.response["status"] == "completed"
    assert ("text" in outputs) == any(message["text"] and "text" in message["text"] for message in reading.messages)
