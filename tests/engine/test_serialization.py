"""Any value as JSON."""

from __future__ import annotations

import enum
import json
import uuid
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from agentscope_runtime.engine.serialization import MOST_LEVELS, to_json, to_jsonable

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
POINT = namedtuple("POINT", "x y")


class Colour(enum.Enum):
    """An enumeration that is no string."""

    RED = "red"


class Level(enum.StrEnum):
    """One that is."""

    HIGH = "high"


class Model(BaseModel):
    """A model with fields that are no JSON."""

    at: datetime = NOON
    colour: Colour = Colour.RED
    anything: Any = None
    secret: SecretStr = SecretStr("do not tell")


@dataclass
class Record:
    """A dataclass with a model in it."""

    model: Model
    tags: set[str] = field(default_factory=lambda: {"a"})


class Mapped:
    """What SDKs of cloud services return."""

    def to_map(self) -> dict[str, Any]:
        """Describe itself."""
        return {"when": NOON}

    def to_dict(self) -> dict[str, Any]:
        """Describe itself in another way, which is not asked."""
        raise AssertionError


class Described:
    """What many libraries return."""

    def to_dict(self) -> dict[str, Any]:
        """Describe itself, with another of its kind in it."""
        return {"inner": Mapped(), "colour": Colour.RED}


class Opaque:
    """Says nothing about itself but its text."""

    def __str__(self) -> str:
        return "opaque"


class Holder:
    """Holds a model."""

    model: Model

    def to_dict(self) -> dict[str, Any]:
        """Describe itself."""
        return {"model": self.model}


MODEL = {"at": "2026-11-21T12:00:00Z", "colour": "red", "anything": None, "secret": "**********"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        ("naïve", "naïve"),
        (Level.HIGH, "high"),
        (Colour.RED, "red"),
        (b"\xff\xfe", "//4="),
        (memoryview(b"ab"), "YWI="),
        (NOON, "2026-11-21T12:00:00Z"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("/a/b"), "/a/b"),
        (Decimal("1.10"), "1.10"),
        ((1, [2, {3}]), [1, [2, [3]]]),
        (deque([1]), [1]),
        (range(2), [0, 1]),
        ({"a": 1}.keys(), ["a"]),
        ((n for n in (1, 2)), [1, 2]),
        (POINT(1, 2), [1, 2]),
        (OrderedDict(a=frozenset({1})), {"a": [1]}),
        (Model(), MODEL),
        (Model(anything=Described()), {**MODEL, "anything": {"inner": {"when": MODEL["at"]}, "colour": "red"}}),
        (Model(anything=b"\xff"), {**MODEL, "anything": "/w=="}),
        (Model(anything=float("inf")), MODEL),
        (Record(Model()), {"model": MODEL, "tags": ["a"]}),
        (Mapped(), {"when": "2026-11-21T12:00:00Z"}),
        ([Described()], [{"inner": {"when": "2026-11-21T12:00:00Z"}, "colour": "red"}]),
        (Opaque(), "opaque"),
        (Described, str(Described)),
        (Record, str(Record)),
        (ValueError("why"), "why"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_everything_becomes_something(value: Any, expected: Any) -> None:
    """Whatever an endpoint returns, its client gets the data in it."""
    assert to_jsonable(value) == expected
    json.dumps(to_jsonable(expected), allow_nan=False)


def test_keys_are_strings() -> None:
    """Keys of other types get the name that JSON, or their own text, gives them."""
    value = {1: "a", False: "b", None: "c", Colour.RED: "d", Level.HIGH: "e", (1, "x"): "f", NOON: "g"}
    assert list(to_jsonable(value)) == ["1", "false", "null", "red", "high", '[1, "x"]', "2026-11-21T12:00:00Z"]


def test_what_is_too_deep_says_so() -> None:
    """Twenty levels are written; what is below is named by its type."""
    value: Any = "bottom"
    for _ in range(MOST_LEVELS):
        value = [value]
    assert "bottom" in to_json(value)
    value = [value]
    assert f"<list: deeper than {MOST_LEVELS} levels>" in to_json(value)


def test_a_circle_ends_where_it_began() -> None:
    """Something that contains itself, however often, is written once."""
    circle: dict[str, Any] = {"name": "a"}
    circle["self"] = [circle, circle]
    assert to_jsonable(circle) == {"name": "a", "self": ["<dict: contains itself>"] * 2}
    twice = [1]
    assert to_jsonable([twice, twice]) == [[1], [1]]


def test_a_circle_through_a_model_ends_too() -> None:
    """Objects and models that hold each other are written until they meet again."""
    holder = Holder()
    holder.model = Model(anything=[holder])
    assert to_jsonable(holder)["model"]["anything"] == ["<Holder: contains itself>"]


def test_text_keeps_its_characters() -> None:
    """A stream is read by people, too."""
    assert to_json({"answer": "世界"}) == '{"answer": "世界"}'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes() | st.uuids(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
        max_leaves=30,
    )
)
def test_the_result_is_json(value: Any) -> None:
    """Whatever goes in, what comes out can be written by the strictest writer, and read again."""
    plain = to_jsonable(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_every_reader_takes_it_for_one_line() -> None:
    """Whatever counts as the end of a line anywhere is escaped."""
    written = to_json("é\n\u0085\u2028\u2029")
    assert len(written.splitlines()) == 1
    assert json.loads(written) == "é\n\u0085\u2028\u2029"


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("a\ud83d", "a\ufffd"),
        ({"\ude00": 1}, {"\ufffd": 1}),
        ([10**5000], ["<int: of 16610 bits>"]),
        (Level.HIGH, "high"),
        ({Level.HIGH: 1}, {"high": 1}),
        (True, True),
    ],
)
def test_what_no_reader_takes_is_not_written(value: object, seen: object) -> None:
    """Halves of characters, and numbers that Python's own reader refuses."""
    assert to_jsonable(value) == seen
    assert json.loads(to_json(value).encode()) == seen
