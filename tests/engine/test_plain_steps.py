"""What handlers say, as JSON can say it: odd values make odd data, never a broken stream."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strict_reader import Reading, parse_sse, read

from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.events import EventWriter
from agentscope_runtime.engine.plain_steps import plain_step
from agentscope_runtime.engine.schemas.agent_schemas import Content, DataContent, Event, ImageContent, TextContent
from agentscope_runtime.engine.sse import encode
from agentscope_runtime.engine.steps import Close, Data, Open, Step, Text, Used, Whole


class Odd:
    """An object that fails to describe itself."""

    def to_dict(self) -> dict[str, Any]:
        """Fail."""
        raise ZeroDivisionError("swordfish")


class Described:
    """One that does not."""

    def to_dict(self) -> dict[str, Any]:
        """Say something of itself."""
        odd: dict[Any, Any] = {"a": {1, 2}, 3: math.nan, "huge": 10**5000}
        return odd


def nested(levels: int) -> dict[str, Any]:
    """Return an object in an object, and so on."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"in": value}
    return value


CIRCLE: dict[str, Any] = {}
CIRCLE["in"] = CIRCLE

FIVE: Any = 5

ODD_TEXTS = st.text(st.characters(), max_size=6) | st.sampled_from(["\ud83d", "\ude00\u2028", "\u0085", "\r\n\n", "\0"])
ODD_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.binary(max_size=3),
        ODD_TEXTS,
        st.sampled_from([nested(15), nested(300), CIRCLE, Described(), object, datetime(2026, 1, 1, tzinfo=UTC)]),
        st.builds(Odd),
        st.builds(object),
        st.builds(lambda: (number for number in range(3))),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(ODD_TEXTS, st.integers(0, 2), st.none(), st.sampled_from(["1"])), inner, max_size=3),
    ),
    max_leaves=5,
)
OBJECTS: Any = st.dictionaries(ODD_TEXTS | st.integers(0, 2), ODD_VALUES, max_size=3) | ODD_VALUES
KEYS = st.sampled_from(["a", "b"])
CONTENTS = st.one_of(
    st.builds(DataContent.model_construct, data=OBJECTS),
    st.builds(ImageContent.model_construct, image_url=ODD_TEXTS | ODD_VALUES),
    st.builds(TextContent.model_construct, text=ODD_TEXTS | ODD_VALUES),
    st.builds(Content, type=st.just("custom")),
)
STEPS = st.one_of(
    st.builds(
        Open,
        KEYS,
        type=st.sampled_from(["message", "reasoning", "nonsense"]),
        role=st.sampled_from(["assistant", "tool", "boss"]),
        metadata=OBJECTS,
        id=st.none() | ODD_TEXTS,
    ),
    st.builds(Text, KEYS, ODD_TEXTS),
    st.builds(Data, KEYS, OBJECTS),
    st.builds(Whole, KEYS, CONTENTS),
    st.builds(Close, KEYS, OBJECTS),
    st.builds(Used, OBJECTS),
)


def heard(events: Sequence[Event]) -> Reading:
    """Read events as a client does."""
    return read(parse_sse(encode(events))[0])


@settings(deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_odd_values_break_no_stream(steps: list[Step]) -> None:
    """What can be said is said the same way each time, and a step with anything else says nothing."""
    writer = EventWriter(session_id="s")
    events = writer.begin()
    failed = False
    for step in steps:
        try:
            events += writer.take(step)
        except UnusableOutput:
            failed = True
    events += writer.fail("CODE", "why") if failed else writer.complete()
    assert heard(events).response["status"] == ("failed" if failed else "completed")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Open(0, type="nonsense"), "the type 'nonsense'; it may be one of a2ui_action, "),
        (Open(0, role="boss"), "the role 'boss'; it may be one of assistant, system"),
        (Open(0, metadata={"a": Odd()}), "the metadata of a message cannot be written as JSON: ZeroDivisionError"),
        (Data(0, {"a": Odd()}), "the data of a message cannot be written as JSON: ZeroDivisionError"),
        (Data(0, ["a"]), "the data of a message is list; it must be a dict"),  # type: ignore[arg-type]
        (Close(0, {"a": Odd()}), "usage cannot be written as JSON"),
        (Whole(0, Content(type="custom")), "a part of a message is Content 'custom'; it may be TextContent, "),
        (
            Whole(0, ImageContent.model_construct(image_url=FIVE)),
            "ImageContent, has values that it cannot have: image_",
        ),
    ],
)
def test_what_cannot_be_said_is_named(step: Step, said: str) -> None:
    """The error says what it is about and what would do, and nothing of what an object's own error said."""
    with pytest.raises(UnusableOutput) as refused:
        plain_step(step)
    assert said in str(refused.value)
    assert "swordfish" not in str(refused.value)


def test_data_is_copied_as_deep_as_it_goes() -> None:
    """What a handler changes later was said as it was; what is deep is not cut off."""
    data = {"list": [1], "deep": nested(100)}
    step = plain_step(Data(0, data))
    assert isinstance(step, Data)
    data["list"].append(2)  # type: ignore[attr-defined]
    assert step.data == {"list": [1], "deep": nested(100)}


def test_keys_that_are_the_same_in_json_are_one() -> None:
    """A number and its digits: the last one counts."""
    step = plain_step(Data(0, {"x": {1: "a", "1": "b"}}))
    assert isinstance(step, Data)
    assert json.dumps(step.data) == '{"x": {"1": "b"}}'


def test_a_handler_that_changes_the_response_changes_no_stream() -> None:
    """What was said of it stays so; what it used, handlers may say."""
    writer = EventWriter(session_id="s")
    events = [*writer.begin(), *writer.take(Text(0, "a"))]
    response = writer.response
    response.id, response.session_id, response.output, response.completed_at = "zz", "other", None, 5
    response.usage = {"total_tokens": 3}
    events += [*writer.take(Text(0, "b")), *writer.cancel()]
    reading = heard(events)
    assert (reading.text, reading.response["session_id"], reading.response["usage"]) == ("ab", "s", {"total_tokens": 3})


def test_usage_that_is_none_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """The stream ends all the same."""
    writer = EventWriter(session_id="s")
    events = writer.begin()
    writer.response.usage = {"a": Odd()}
    assert heard([*events, *writer.complete()]).response["usage"] is None
    assert "no usable usage" in caplog.text


def test_many_messages_are_collected_in_one_list() -> None:
    """The output is not copied for each of them."""
    writer = EventWriter(session_id="s")
    output = writer.response.output
    for number in range(5):
        writer.take(Open(number))
        writer.take(Close(number))
    assert writer.response.output is output
    assert output is not None and len(output) == 5
