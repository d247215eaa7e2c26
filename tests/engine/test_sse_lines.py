"""The lines of a stream: whatever a handler puts into an event, it is one line of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from strict_reader import parse_sse

from agentscope_runtime.engine.schemas.agent_schemas import DataContent, TextContent
from agentscope_runtime.engine.sse import encode


class Mute:
    """Nothing that JSON knows."""

    def __str__(self) -> str:
        return "mute"


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("half a character \ud83d", "half a character \ufffd"),
        ("two lines\nand \u2028 a third", "two lines\nand \u2028 a third"),
        (Mute(), "mute"),
        (b"\xff", "/w=="),
        (float("nan"), None),
        (CIRCLE, ["<list: contains itself>"]),
        ({1: {2}}, {"1": [2]}),
    ],
)
def test_whatever_a_handler_yields_is_one_line(value: object, seen: object) -> None:
    """Data that JSON cannot say is said as well as it can be; it never breaks a stream."""
    lines = encode([DataContent(data={"value": value})])
    assert json.loads(lines.removeprefix(b"data: "))["data"] == {"value": seen}
    assert len(parse_sse(lines)[0]) == 1


def test_half_a_character_of_text() -> None:
    """Models cut text where they like; the rest of it is not lost."""
    (event,), _ = parse_sse(encode([TextContent(text="a\ud83db")]))
    assert event["text"] == "a\ufffdb"


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029", "\u0085", "é\u2028\ud83d", "é\x0b\x0c\x1c\r"])
def test_every_reader_finds_the_same_lines(text: str) -> None:
    """Some take further characters for ends of lines, httpx for one: they are escaped."""
    lines = encode([TextContent(text=text)])
    assert len(lines.decode().splitlines()) == 2
    assert json.loads(lines.removeprefix(b"data: "))["text"] == text.replace("\ud83d", "\ufffd")
