"""The event writer: whatever adapters say happened, a strict reader accepts what clients see of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from strict_reader import Reading, read

from agentscope_runtime.engine.events import EventWriter
from agentscope_runtime.engine.schemas.agent_schemas import (
    AudioContent,
    DataContent,
    Event,
    FileContent,
    ImageContent,
    MessageType,
    RefusalContent,
    Role,
    TextContent,
    VideoContent,
)
from agentscope_runtime.engine.steps import Close, Data, Open, Step, Text, Used, Whole

KEYS = st.one_of(st.sampled_from(["a", "b", "c"]), st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 1)))
PARTS = st.integers(0, 2)
TEXTS = st.text(max_size=8)
WORDS = st.dictionaries(st.text(max_size=4), st.one_of(TEXTS, st.integers(), st.none()), max_size=3)
CONTENTS = st.one_of(
    st.builds(TextContent, text=TEXTS),
    st.builds(DataContent, data=WORDS),
    st.builds(ImageContent, image_url=TEXTS),
    st.builds(AudioContent, data=TEXTS, format=st.just("wav")),
    st.builds(VideoContent, video_url=TEXTS),
    st.builds(FileContent, file_url=TEXTS, filename=TEXTS),
    st.builds(RefusalContent, refusal=TEXTS),
    # numbers and ids that an adapter left in it are not those of this stream
    st.builds(TextContent, text=TEXTS, sequence_number=st.just(7), index=st.just(5), delta=st.just(True)),
)
STEPS = st.one_of(
    st.builds(
        Open,
        KEYS,
        type=st.sampled_from([MessageType.MESSAGE, MessageType.REASONING, MessageType.PLUGIN_CALL]),
        role=st.sampled_from([Role.ASSISTANT, Role.TOOL]),
        metadata=st.none() | WORDS,
        id=st.none() | st.sampled_from(["", "given"]),
    ),
    st.builds(Text, KEYS, TEXTS, PARTS),
    st.builds(Data, KEYS, WORDS, PARTS),
    st.builds(Whole, KEYS, CONTENTS),
    st.builds(Close, KEYS, st.none() | WORDS),
    st.builds(Used, WORDS),
)


def as_json(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return events as clients read them."""
    return [json.loads(event.model_dump_json()) for event in events]


def write(writer: EventWriter, steps: Sequence[Step]) -> list[Event]:
    """Return the events of the beginning and of the steps."""
    events = writer.begin()
    for step in steps:
        events += writer.take(step)
    return events


def told(*steps: Step) -> Reading:
    """Return what a client has read of these steps, when the response is complete."""
    writer = EventWriter(session_id="s")
    return read(as_json([*write(writer, steps), *writer.complete()]))


@settings(deadline=None)  # a busy machine is no bug
@given(st.lists(STEPS, max_size=40))
def test_any_steps_make_a_stream_that_a_strict_reader_accepts(steps: list[Step]) -> None:
    """No adapter can break the stream, however it interleaves, repeats or forgets."""
    writer = EventWriter(session_id="s")
    reading = read(as_json([*write(writer, steps), *writer.complete()]))
    assert reading.response["status"] == "completed"
    assert reading.response == as_json([writer.response])[0] | {"sequence_number": reading.response["sequence_number"]}


@settings(deadline=None)
@given(st.lists(STEPS, max_size=25), st.booleans())
def test_a_response_may_end_at_any_point(steps: list[Step], failing: bool) -> None:
    """Failed or canceled after any step: everything is closed as far as it came, and nothing follows."""
    for length in range(len(steps) + 1):
        writer = EventWriter(session_id="s")
        events = write(writer, steps[:length])
        events += writer.fail("CODE", "why") if failing else writer.cancel()
        events += [*write(writer, steps[length:]), *writer.complete(), *writer.fail("X", "x"), *writer.cancel()]
        assert read(as_json(events)).response["status"] == ("failed" if failing else "canceled")


@settings(deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_events_are_what_they_were_when_they_were_made(steps: list[Step]) -> None:
    """A reader that comes late reads the same: no event changes when the response goes on."""
    writer = EventWriter(session_id="s")
    at_once = as_json(events := writer.begin())
    for step in steps:
        events += (new := writer.take(step))
        at_once += as_json(new)
    events += (new := writer.complete())
    assert as_json(events) == [*at_once, *as_json(new)]
    assert len({id(event) for event in events}) == len(events)


@settings(deadline=None)
@given(st.lists(st.builds(Text, KEYS, TEXTS, PARTS), max_size=40))
def test_no_text_is_lost(steps: list[Text]) -> None:
    """Every character reaches the message and the part that it was said about."""
    expected = [
        "".join(
            step.text
            for part in dict.fromkeys(step.part for step in steps if step.message == key and step.text)
            for step in steps
            if (step.message, step.part) == (key, part)
        )
        for key in dict.fromkeys(step.message for step in steps)
    ]
    assert [message["text"] or "" for message in told(*steps).messages] == expected


@settings(deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_the_beginning_may_be_forgotten(steps: list[Step]) -> None:
    """A step before `begin` begins the stream."""
    writer = EventWriter(session_id="s")
    events = [event for step in steps for event in writer.take(step)]
    read(as_json([*events, *writer.complete()]))
    assert writer.begin() == []


def test_a_plain_answer() -> None:
    """The shape that the documents show: numbers, states, deltas, and the whole text in the message."""
    writer = EventWriter(session_id="s", response_id="response_1", clock=lambda: 1_700_000_000.9)
    events = write(writer, [Text(0, "Hello"), Text(0, ""), Text(0, " World!"), Close(0, {"total_tokens": 3})])
    events += writer.complete()
    seen = [
        (event["sequence_number"], event["object"], event["status"], event.get("text")) for event in as_json(events)
    ]
    assert seen == [
        (0, "response", "created", None),
        (1, "response", "in_progress", None),
        (2, "message", "in_progress", None),
        (3, "content", "in_progress", "Hello"),
        (4, "content", "in_progress", " World!"),
        (5, "content", "completed", "Hello World!"),
        (6, "message", "completed", "Hello World!"),
        (7, "response", "completed", None),
    ]
    response = read(as_json(events)).response
    assert (response["id"], response["session_id"]) == ("response_1", "s")
    assert response["created_at"] == response["completed_at"] == 1_700_000_000
    assert response["usage"] == {"total_tokens": 3}


def test_messages_may_be_interleaved() -> None:
    """Two that are open at once grow side by side, and each is closed."""
    reading = told(Text("a", "1"), Text("b", "2"), Text("a", "3"), Close("b"), Text("a", "4"))
    assert [message["text"] for message in reading.messages] == ["2", "134"]


def test_a_closed_key_opens_another_message() -> None:
    """Keys may be used again; ids are not."""
    reading = told(Open(0, id="mine"), Text(0, "1"), Close(0), Close(0), Open(0, id="mine"), Text(0, "2"))
    assert [message["text"] for message in reading.messages] == ["1", "2"]
    assert [message["id"] == "mine" for message in reading.messages] == [True, False]


def test_opening_twice() -> None:
    """Of the same kind it is the same message; of another kind the first one is complete."""
    reading = told(
        Open(0, metadata={"a": 1}), Text(0, "1"), Open(0, metadata={"b": 2}), Text(0, "2"), Open(0, type="reasoning")
    )
    assert [(message["type"], message["text"]) for message in reading.messages] == [
        ("message", "12"),
        ("reasoning", None),
    ]
    assert reading.messages[0]["metadata"] == {"b": 2}


def test_data_comes_in_snapshots() -> None:
    """Each replaces the one before; what did not change is no event; a dictionary that is filled later is a copy."""
    writer = EventWriter(session_id="s")
    call = {"call_id": "1", "name": "run", "arguments": ""}
    first = writer.take(Data(0, call))
    call["arguments"] = '{"a"'
    second = writer.take(Data(0, call))
    assert writer.take(Data(0, dict(call))) == []
    assert [
        event.data["arguments"] for event in (*first, *second) if isinstance(event, DataContent) and event.data
    ] == [
        "",
        '{"a"',
    ]


def test_names_in_data_become_strings() -> None:
    """JSON knows no other names; a handler that yields {1: 2} meant no error."""
    reading = told(Data(0, {1: "one"}))  # type: ignore[dict-item]
    assert reading.messages[0]["content"][0]["data"] == {"1": "one"}


def test_text_and_data_of_the_same_part_are_two_parts() -> None:
    """A part has one type; a mix-up of numbers loses nothing."""
    reading = told(Text(0, "a"), Data(0, {"b": 1}), Whole(0, ImageContent(image_url="c")), Text(0, "d"))
    assert [part["type"] for part in reading.messages[0]["content"]] == ["text", "data", "image"]
    assert reading.messages[0]["text"] == "ad"


def test_a_failed_response() -> None:
    """It says why; what was said so far is there, marked as incomplete."""
    writer = EventWriter(session_id="s")
    events = write(writer, [Text(0, "done"), Close(0), Text(0, "half"), Used({"tokens": 1})])
    reading = read(as_json([*events, *writer.fail("CODE", "because")]))
    assert reading.response["error"] == {"code": "CODE", "message": "because"}
    assert [(message["status"], message["text"]) for message in reading.response["output"]] == [
        ("completed", "done"),
        ("incomplete", "half"),
    ]
    assert reading.response["usage"] == {"tokens": 1}


def test_a_failure_before_anything_was_said() -> None:
    """It is a whole stream all the same."""
    writer = EventWriter(session_id="s")
    assert [event.status for event in writer.fail("CODE", "because")] == ["created", "in_progress", "failed"]


def test_what_the_whole_cost_counts_before_what_a_message_cost() -> None:
    """`Used` is about the response; without it the last message that names its tokens speaks for it."""
    assert told(Text(0, "a"), Close(0, {"n": 1}), Text(1, "b"), Close(1)).response["usage"] == {"n": 1}
    assert told(Used({"n": 5}), Text(0, "a"), Close(0, {"n": 1}), Used({"n": 6})).response["usage"] == {"n": 6}
