"""What graphs of langgraph yield, as clients read it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import tool_call_chunk
from streamed import Reading, events, streamed

from agentscope_runtime.adapters.langgraph import ADAPTER
from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.schemas.agent_schemas import ImageContent, Message

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def read(*outputs: Any, **converters: Any) -> Reading:
    """Return what a client reads of a handler that yields this."""
    return streamed(ADAPTER.translator(converters), outputs)


def chunk(content: Any = "", id: str | None = "run-1", **more: Any) -> AIMessageChunk:
    """Make a chunk of a model's message."""
    return AIMessageChunk(content=content, id=id, **more)


def piece(arguments: str, index: int | None = 0, id: str | None = None, name: str | None = None) -> AIMessageChunk:
    """Make a chunk with a piece of a call."""
    return chunk(tool_call_chunks=[tool_call_chunk(name=name, args=arguments, id=id, index=index)])


def kinds(reading: Reading) -> list[str]:
    """Return the types of the messages."""
    return [message["type"] for message in reading.messages]


def data(reading: Reading) -> list[dict[str, Any]]:
    """Return what calls and results say."""
    return [part["data"] for message in reading.messages for part in message["content"] if part["type"] == "data"]


def test_chunks_are_deltas_of_one_message() -> None:
    """Each chunk is seen at once; the last one completes the message."""
    outputs = [(chunk("Hello"), False), (chunk(" there"), False), (chunk("", chunk_position="last"), True)]
    written = events(ADAPTER.translator({}), outputs)
    deltas = [event["text"] for event in written if event["object"] == "content" and event["delta"]]
    assert deltas == ["Hello", " there"]
    (message,) = read(*outputs).messages
    assert message["text"] == "Hello there"
    assert message["metadata"] == {"original_id": "run-1"}


def test_what_astream_yields_may_be_passed_on_as_it_is() -> None:
    """(message, metadata) pairs, and the forms of several modes and of version 2, are understood."""
    beside = {"langgraph_node": "agent"}
    for wrap in (
        lambda message: (message, beside),
        lambda message: ("messages", (message, beside)),
        lambda message: {"type": "messages", "ns": (), "data": (message, beside)},
        lambda message: message,
    ):
        reading = read(wrap(chunk("Hel")), wrap(chunk("lo", chunk_position="last")), wrap(chunk("Bye", id="run-2")))
        assert [message["text"] for message in reading.messages] == ["Hello", "Bye"]


def test_a_message_without_an_id_is_a_message() -> None:
    """`yield AIMessage("hi"), True` is the first thing that people try."""
    reading = read((AIMessage("hi"), True), (AIMessage("there"), True))
    assert [message["text"] for message in reading.messages] == ["hi", "there"]


def test_chunks_without_ids_belong_together_until_the_last() -> None:
    """Fake models give their chunks no id."""
    outputs = [(chunk("one ", None), False), (chunk("two", None), True), (chunk("three", None), False)]
    assert [message["text"] for message in read(*outputs).messages] == ["one two", "three"]


def test_alternating_messages_are_told_apart() -> None:
    """Two nodes that run at the same time stream two messages at the same time."""
    reading = read(chunk("a1 ", "run-a"), chunk("b1 ", "run-b"), chunk("a2", "run-a"), chunk("b2", "run-b"))
    assert {message["text"] for message in reading.messages} == {"a1 a2", "b1 b2"}


def test_a_message_that_was_streamed_is_not_told_twice() -> None:
    """The whole message after its chunks only ends it, and adds what it cost."""
    cost = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    reading = read(chunk("Hi"), AIMessage("Hi", id="run-1", usage_metadata=cost), AIMessage("Hi", id="run-1"))
    (message,) = reading.messages
    assert (message["text"], message["usage"], reading.response["usage"]) == ("Hi", cost, cost)


def test_the_pieces_of_a_call_are_joined() -> None:
    """Arguments grow from snapshot to snapshot."""
    outputs = [piece("", id="c1", name="look"), piece('{"at"'), piece(': "page"}'), chunk(chunk_position="last")]
    written = events(ADAPTER.translator({}), outputs)
    told = [event["data"]["arguments"] for event in written if event["object"] == "content" and event["delta"] is False]
    assert told == ["", '{"at"', '{"at": "page"}']
    (call,) = read(*outputs).messages
    assert (call["type"], call["role"]) == ("plugin_call", "assistant")
    assert data(read(*outputs)) == [{"call_id": "c1", "name": "look", "arguments": '{"at": "page"}'}]


def test_a_second_round_of_calls_starts_anew() -> None:
    """Nothing of the first round's arguments is left in the second's, though both are number 0."""
    reading = read(
        piece('{"a": 1}', id="c1", name="first"),
        chunk(chunk_position="last"),
        ToolMessage("one", tool_call_id="c1", name="first"),
        AIMessageChunk(
            content="", id="run-2", tool_call_chunks=[tool_call_chunk(name="second", args='{"b"', id="c2", index=0)]
        ),
        AIMessageChunk(content="", id="run-2", tool_call_chunks=[tool_call_chunk(args=": 2}", index=0)]),
        AIMessageChunk(content="", id="run-2", chunk_position="last"),
        ToolMessage("two", tool_call_id="c2", name="second"),
        chunk("Done.", "run-3", chunk_position="last"),
    )
    assert kinds(reading) == ["plugin_call", "plugin_call_output", "plugin_call", "plugin_call_output", "message"]
    assert data(reading) == [
        {"call_id": "c1", "name": "first", "arguments": '{"a": 1}'},
        {"call_id": "c1", "name": "first", "output": "one"},
        {"call_id": "c2", "name": "second", "arguments": '{"b": 2}'},
        {"call_id": "c2", "name": "second", "output": "two"},
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        [("c1", 0, "{"), ("c2", 1, "["), (None, 0, "}"), (None, 1, "]")],  # alternating
        [("c1", 0, "{"), (None, 0, "}"), ("c2", 0, "["), (None, 0, "]")],  # a provider that always says 0
        [("c1", None, "{"), (None, None, "}"), ("c2", None, "[]")],  # one that does not count
        [("c1", None, "{"), ("c1", None, "}"), ("c2", None, "["), ("c2", None, "]")],  # and repeats the id
    ],
)
def test_parallel_calls_are_told_apart(pieces: list[tuple[str | None, int | None, str]]) -> None:
    """However a provider numbers the pieces."""
    reading = read(*(piece(text, index, id, id and "tool") for id, index, text in pieces))
    assert [(call["call_id"], call["arguments"]) for call in data(reading)] == [("c1", "{}"), ("c2", "[]")]


def test_text_before_a_call_is_completed_before_it() -> None:
    """What the model says first is a message of its own, complete when the call begins."""
    reading = read(chunk("Let me look."), piece("{}", id="c1", name="look"), chunk(chunk_position="last"))
    assert kinds(reading) == ["message", "plugin_call"]


def test_a_result_ends_the_message_that_asked_for_it() -> None:
    """Even where nobody said that the message was over."""
    reading = read(piece("{}", id="c1", name="look"), ToolMessage("ok", tool_call_id="c1"), chunk("Done", "run-2"))
    assert kinds(reading) == ["plugin_call", "plugin_call_output", "message"]


def test_a_whole_message_has_text_thought_and_calls() -> None:
    """What does not stream is told at once, in the order in which a model says it; the cost stands at the end."""
    cost = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    message = AIMessage(
        "Let me see.",
        additional_kwargs={"reasoning_content": "I should look."},
        tool_calls=[{"name": "look", "args": {"at": "page"}, "id": "c1"}],
        invalid_tool_calls=[{"name": "look", "args": "{oops", "id": "c2", "error": None, "type": "invalid_tool_call"}],
        usage_metadata=cost,
        name="Friday",
    )
    reading = read((message, True))
    assert kinds(reading) == ["reasoning", "message", "plugin_call", "plugin_call"]
    assert [told["arguments"] for told in data(reading)] == ['{"at": "page"}', "{oops"]
    assert [told["usage"] for told in reading.messages] == [None, None, None, cost]
    assert reading.messages[0]["metadata"] == {"original_name": "Friday"}


def test_thoughts_are_reasoning() -> None:
    """Wherever a provider puts them; they end where the answer begins."""
    reading = read(
        chunk(additional_kwargs={"reasoning_content": "Well"}),
        chunk([{"type": "reasoning", "reasoning": ", then", "index": 0}]),
        chunk([{"type": "thinking", "thinking": "."}]),
        chunk("Hello"),
    )
    assert [(message["type"], message["text"]) for message in reading.messages] == [
        ("reasoning", "Well, then."),
        ("message", "Hello"),
    ]


def test_lists_of_blocks_are_their_parts() -> None:
    """Text in blocks is text; pictures, sound and files are parts of the message; the rest is data."""
    reading = read(
        chunk([{"type": "text", "text": "See", "index": 0}]),
        chunk([{"type": "text", "text": " this: ", "index": 0}]),
        chunk(["and ", "that"]),
        chunk([{"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}]),
        chunk([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]),
        chunk([{"type": "audio", "base64": "AAAA", "mime_type": "audio/mp3"}]),
        chunk([{"type": "video", "url": "https://example.com/a.mp4"}]),
        chunk([{"type": "file", "file_id": "file-1"}]),
        chunk([{"type": "odd", "value": 1}]),
    )
    (message,) = reading.messages
    assert message["text"] == "See this: and that"
    image, linked, audio, video, file, odd = message["content"][1:]
    assert (image["image_url"], linked["image_url"]) == (PIXEL, "https://example.com/a.png")
    assert (audio["data"], audio["format"], video["video_url"]) == ("AAAA", "mp3", "https://example.com/a.mp4")
    assert (file["file_id"], odd["data"]) == ("file-1", {"type": "odd", "value": 1})


def test_a_result_may_hold_pictures() -> None:
    """Text is the output, pictures are parts beside it; a failure is marked."""
    content: Any = [
        {"type": "text", "text": "shot"},
        {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
    ]
    reading = read(
        ToolMessage(content, tool_call_id="c1", name="shoot"),
        ToolMessage("no such page", tool_call_id="c2", name="look", status="error"),
    )
    shot, failure = reading.messages
    assert (shot["type"], shot["role"]) == ("plugin_call_output", "tool")
    assert [part.get("image_url") for part in shot["content"]] == [None, PIXEL]
    assert data(reading)[0] == {"call_id": "c1", "name": "shoot", "output": "shot"}
    assert failure["metadata"] == {"status": "error"}


def test_a_state_is_what_came_after_the_user() -> None:
    """`return await graph.ainvoke(…)` answers with what the graph added, not with the whole conversation."""
    state = {"messages": [HumanMessage("one"), AIMessage("1"), HumanMessage("two"), AIMessage("2"), AIMessage("!")]}
    assert [message["text"] for message in read(state).messages] == ["2", "!"]


def test_other_messages_keep_their_role() -> None:
    """What a graph says in somebody else's name is passed on so; an order to forget says nothing."""
    reading = read(SystemMessage("be kind", id="s"), HumanMessage("hi"), RemoveMessage("s"), SystemMessage("x", id="s"))
    assert [(message["role"], message["text"]) for message in reading.messages] == [
        ("system", "be kind"),
        ("user", "hi"),
    ]


def test_our_own_words_may_be_mixed_in() -> None:
    """Strings, ready messages and parts beside langchain's; each message is complete before the next."""
    reading = read("Wait. ", (chunk("Hello", chunk_position="last"), True), Message(role="assistant", content="Bye"))
    assert [message["text"] for message in reading.messages] == ["Wait. ", "Hello", "Bye"]
    with pytest.raises(UnusableOutput, match="langchain"):
        read(42)


def test_converters_replace_blocks() -> None:
    """A converter of a type of block makes text, a part or a message of it, or nothing."""
    reading = read(
        chunk("secret"),
        piece('{"n": 1}', id="c1", name="draw"),
        chunk(chunk_position="last"),
        ToolMessage("done", tool_call_id="c1"),
        text=lambda block: block["text"].upper(),
        tool_call=lambda call: Message(role="assistant", content=f"I {call['name']} {call['arguments']}"),
        tool=lambda message: ImageContent(image_url=PIXEL),
    )
    assert [message["text"] for message in reading.messages] == ["SECRET", 'I draw {"n": 1}', None]
    assert reading.messages[2]["content"][0]["image_url"] == PIXEL


def test_costs_add_up() -> None:
    """The response costs what all models' messages did, also when the figures come after the end."""
    cost: Any = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    messages: list[BaseMessage] = [
        chunk("a", usage_metadata=cost, chunk_position="last"),
        chunk("b", "run-2", chunk_position="last"),
        chunk("", "run-2", usage_metadata=cost),
    ]
    reading = read(*messages)
    assert len(reading.messages) == 2
    assert reading.response["usage"]["total_tokens"] == 10
