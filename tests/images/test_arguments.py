"""The check of tool arguments: what fits passes unchanged, what does not is named."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox_server.arguments import InvalidArgument, check

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "description": "Where to."},
        "index": {"type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": None},
        "time": {"type": "number"},
        "raw": {"type": "boolean"},
        "mode": {"enum": ["view", "edit"]},
        "paths": {"type": "array", "items": {"type": "string"}},
        "extra": {"type": "object"},
    },
    "required": ["url"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"index": None},
        {"index": 3},
        {"index": 3.0},
        {"time": 1},
        {"time": 1.5},
        {"raw": True},
        {"mode": "edit"},
        {"paths": []},
        {"paths": ["a", "b"]},
        {"extra": {"anything": [1]}},
    ],
)
def test_what_fits(more: dict[str, Any]) -> None:
    """Valid arguments come back as they were."""
    arguments = {"url": "x", **more}
    assert check(SCHEMA, arguments) == arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "argument 'url' is missing"),
        (None, "arguments must be an object"),
        ([], "arguments must be an object"),
        ({"url": "x\ud800"}, "argument 'url' is not Unicode text"),
        ({"url": "x", "paths": ["a", "\udfff"]}, "argument 'paths', item 1, is not Unicode text"),
        ({"url": "x", "extra": {"a": ["\ud800"]}}, "argument 'extra' is not Unicode text"),
        ({"url": 1}, "argument 'url' must be a string, not an integer"),
        ({"url": True}, "argument 'url' must be a string, not a boolean"),
        ({"url": None}, "argument 'url' must be a string, not null"),
        ({"url": "x", "index": True}, "argument 'index' must be an integer or null, not a boolean"),
        ({"url": "x", "index": 1.5}, "argument 'index' must be an integer or null, not a number"),
        ({"url": "x", "index": 0}, "argument 'index' must be 1 or more, not 0"),
        ({"url": "x", "index": 10}, "argument 'index' must be 9 or less, not 10"),
        ({"url": "x", "mode": "delete"}, "argument 'mode' must be one of 'view', 'edit'"),
        ({"url": "x", "paths": "a"}, "argument 'paths' must be an array, not a string"),
        ({"url": "x", "paths": ["a", 5]}, "argument 'paths', item 1, must be a string, not an integer"),
        ({"url": "x", "uri": "y"}, "argument 'uri' is unknown; there are: 'url', 'index'"),
    ],
)
def test_what_does_not_fit(arguments: Any, words: str) -> None:
    """The message names the argument and what is wrong with it."""
    with pytest.raises(InvalidArgument) as caught:
        check(SCHEMA, arguments)
    assert words in str(caught.value)


def test_schema_that_is_not_understood() -> None:
    """A schema with members that nobody checks is a bug, and is heard of."""
    with pytest.raises(NotImplementedError, match="format"):
        check({"type": "object", "properties": {"a": {"type": "string", "format": "x"}}}, {"a": "x"})


@pytest.mark.parametrize(("value", "fits"), [("ab", True), ("a", False), ("ab\n", False), ("xab", False)])
def test_a_pattern_is_that_of_json_schema(value: str, fits: bool) -> None:
    """Its end is the end of the text, not that of a last line."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^ab$"}}}
    if fits:
        assert check(schema, {"a": value}) == {"a": value}
        return
    with pytest.raises(InvalidArgument, match=r"argument 'a' must fit the pattern \^ab\$"):
        check(schema, {"a": value})


def test_members_of_objects_are_checked() -> None:
    """A schema goes down into objects, also those in a list."""
    item = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    schema = {"type": "object", "properties": {"one": item, "many": {"type": "array", "items": item}}}
    assert check(schema, {"one": {"n": 1}, "many": [{"n": 2}]})
    for arguments, words in (
        ({"one": {}}, "argument 'one' member 'n' is missing"),
        ({"many": [{"n": 1}, {"n": "x"}]}, "argument 'many', item 1, member 'n' must be an integer, not a string"),
        ({"one": {"n": 1, "m": 2}}, "argument 'one' member 'm' is unknown"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            check(schema, arguments)
        assert words in str(caught.value)
