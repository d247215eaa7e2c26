"""The strict reader, with whose eyes all streams are tested: what it takes, and above all what it refuses."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from strict_reader import parse_sse, read

from agentscope_runtime.engine.events import EventWriter
from agentscope_runtime.engine.schemas.agent_schemas import ImageContent
from agentscope_runtime.engine.steps import Close, Data, Open, Text, Whole

Events = list[dict[str, Any]]


@pytest.fixture
def stream() -> Events:
    """A stream with something of everything, that ends well."""
    writer = EventWriter(session_id="s")
    events = writer.begin()
    for step in (
        Text("answer", "a"),
        Text("answer", "b"),
        Data("call", {"arguments": "{}"}),
        Whole("answer", ImageContent(image_url="c")),
        Close("call", {"tokens": 1}),
        Open("thought", type="reasoning"),
        Text("answer", "d"),
    ):
        events += writer.take(step)
    return [json.loads(event.model_dump_json()) for event in (*events, *writer.complete())]


def numbered(events: Events) -> Events:
    """Return a copy whose numbers are right."""
    return [copy.deepcopy(event) | {"sequence_number": number} for number, event in enumerate(events)]


def refused(events: Events) -> bool:
    """Say whether the reader refuses it."""
    try:
        read(events)
    except AssertionError:
        return True
    return False


def test_it_reads_what_is_right(stream: Events) -> None:
    """What it returns is what was said."""
    reading = read(stream)
    assert reading.text == "abd"
    assert [message["type"] for message in reading.messages] == ["message", "message", "reasoning"]
    assert reading.response is stream[-1]


def is_snapshot(event: dict[str, Any]) -> bool:
    """Say whether an event only says what the next about the same part says again."""
    return event["object"] == "content" and event["delta"] is False


def test_nothing_may_be_missing(stream: Events) -> None:
    """Neither with a gap in the numbers nor, but for a snapshot, without one."""
    for place in range(len(stream)):
        rest = stream[:place] + stream[place + 1 :]
        assert refused(rest), stream[place]
        assert refused(numbered(rest)) != is_snapshot(stream[place]), stream[place]


def test_nothing_may_come_twice(stream: Events) -> None:
    """Whatever it is, but for a snapshot."""
    for place, event in enumerate(stream):
        twice = numbered(stream[: place + 1] + stream[place:])
        assert refused(twice) != is_snapshot(event), event


def test_states_come_in_order(stream: Events) -> None:
    """No two events that are about the same thing may change places."""
    for place in range(len(stream) - 1):
        first, second = stream[place : place + 2]
        swapped = numbered([*stream[:place], second, first, *stream[place + 2 :]])
        same = {first.get("msg_id") or first["id"]} & {second.get("msg_id") or second["id"]}
        assert refused(swapped) or not same, (first, second)


def test_no_value_may_differ(stream: Events) -> None:
    """Every field of every event is checked against the others, but for those that are free."""
    free = {("response", "usage"), ("message", "usage"), ("message", "metadata"), ("message", "type")}
    for place, event in enumerate(stream):
        for key in event:
            changed = copy.deepcopy(stream)
            changed[place][key] = "other"
            assert refused(changed) or (event["object"], key) in free, (event, key)


def test_no_key_may_be_missing_or_astray(stream: Events) -> None:
    """All keys are sent, in the order of the contract."""
    for place, event in enumerate(stream):
        for key in event:
            assert refused([*stream[:place], event | {"more": 1}, *stream[place + 1 :]])
            rest = {name: value for name, value in event.items() if name != key}
            if key not in ("sequence_number", "object", "status", "type"):
                assert refused([*stream[:place], rest, *stream[place + 1 :]]), (event, key)
                assert list(event)[-1] == key or refused(
                    [*stream[:place], rest | {key: event[key]}, *stream[place + 1 :]]
                )


def test_it_says_where(stream: Events) -> None:
    """A failed test shows the event."""
    stream[3]["delta"] = None
    with pytest.raises(AssertionError) as caught:
        read(stream)
    assert '"sequence_number": 3' in caught.value.__notes__[0]


def test_lines() -> None:
    """Events, comments and the end are told apart."""
    assert parse_sse(b'data: {"a": 1}\n\n: keep-alive\n\ndata: {"b": "\xc3\xa4"}\n\ndata: [DONE]\n\n') == (
        [{"a": 1}, {"b": "ä"}],
        True,
    )
    assert parse_sse("") == ([], False)


@pytest.mark.parametrize(
    "text",
    [
        'data: {"a": 1}',
        'data: {"a": 1}\n',
        'data: {"a": NaN}\n\n',
        'data: {"a": 1, "a": 2}\n\n',
        'data:{"a": 1}\n\n',
        'event: x\ndata: {"a": 1}\n\n',
        'data: [DONE]\n\ndata: {"a": 1}\n\n',
        "data: [DONE]\n\n: keep-alive\n\n",
        'data: {"a":\ndata: 1}\n\n',
    ],
)
def test_broken_lines(text: str) -> None:
    """What is cut off, ambiguous or after the end is refused."""
    with pytest.raises(AssertionError):
        parse_sse(text)
