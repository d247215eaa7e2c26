"""The form in which states and messages are kept."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from enum import StrEnum

import pytest

from agentscope_runtime.engine.errors import NotStorable
from agentscope_runtime.engine.schemas.agent_schemas import Message, TextContent
from agentscope_runtime.engine.services import records


class Mark(StrEnum):
    """As frameworks have them."""

    HINT = "hint"


def test_what_is_like_json_is_taken_as_json() -> None:
    """Mappings of any kind are objects, tuples are lists, words are text."""
    state = OrderedDict(a=(1, 2), b=UserDict(c=Mark.HINT))
    assert records.to_state(records.from_state(state)) == {"a": [1, 2], "b": {"c": "hint"}}


def test_text_is_kept_as_it_is() -> None:
    """Three bytes for a character of Chinese, and not six; half a character is spelled out."""
    assert records.from_state({"a": "深"}) == '{"a":"深"}'.encode()
    assert records.to_state(records.from_state({"a": "深\udcff"})) == {"a": "深\udcff"}


def test_what_contains_itself_is_refused() -> None:
    """By a typed error, as anything that is not JSON."""
    state: dict[str, object] = {}
    state["self"] = state
    with pytest.raises(NotStorable, match="the state is not JSON"):
        records.from_state(state)


def test_messages_are_made_of_whatever_is_given() -> None:
    """One or many, objects or dicts; nothing is nothing."""
    message = Message(content=[TextContent(text="a")])
    assert records.normal(message) == [message]
    assert records.normal(iter([message, None])) == [message]
    assert [one.get_text_content() for one in records.normal({"content": "b"})] == ["b"]
    assert records.normal(None) == records.normal([]) == []


def test_a_message_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the message."""
    monkeypatch.setattr(records, "MOST_BYTES", 500)
    with pytest.raises(NotStorable, match=r"message m has \d+ bytes; at most 500 are kept"):
        records.from_message(Message(id="m", content=[TextContent(text="x" * 500)]))
