"""`computer_use` on the desktop of a gui sandbox: every action by default and with its arguments, and refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from driving import Driven, failure, text
from managers import eventually

from agentscope_runtime.sandbox.errors import InvalidRequest

pytestmark = pytest.mark.docker
KINDS = ("gui",)

CLICKS = ("left_click", "right_click", "middle_click", "double_click", "triple_click")


def said(result: dict[str, Any]) -> dict[str, Any]:
    """Return what an action says."""
    words: dict[str, Any] = json.loads(text(result))
    return words


def size(result: dict[str, Any]) -> tuple[int, int]:
    """Return the size of the picture of a result, by its own PNG header."""
    (item,) = (item for item in result["content"] if item["type"] == "image")
    assert item["mimeType"] == "image/png"
    data = base64.b64decode(item["data"])
    assert data.startswith(b"\x89PNG")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def until_at(box: Driven, x: int, y: int) -> None:
    """Wait until the pointer is there: a window manager that is still busy with a key holds it for as long."""
    eventually(lambda: said(box.computer_use("get_cursor_position")) == {"x": x, "y": y}, 10, f"it is at {x}, {y}")


@pytest.fixture(autouse=True)
def _menus_are_closed(box: Driven, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: box.computer_use("key", text="Escape"))


def test_a_picture_says_its_size(box: Driven) -> None:
    """The screenshot has the size that its text tells; a zoom shows a part of it."""
    picture = box.computer_use("get_screenshot")
    told = said(picture)
    assert size(picture) == (told["image_width"], told["image_height"])
    assert size(box.computer_use("zoom", region=[0, 0, 200, 100]))[0] >= 200


def test_the_pointer_goes_where_it_is_sent(box: Driven) -> None:
    """Coordinates are those of the screenshot, as a list and as a tuple."""
    for place in ([300, 200], (17, 23)):
        assert said(box.computer_use("mouse_move", coordinate=place)) == {"ok": True}
        until_at(box, *place)


@pytest.mark.parametrize("action", CLICKS)
def test_clicks(box: Driven, action: str) -> None:
    """They act where the pointer is, or at a coordinate, which it then is at; keys may be held."""
    assert said(box.computer_use(action)) == {"ok": True}
    box.computer_use("key", text="Escape")
    assert said(box.computer_use(action, coordinate=[400, 300], text="shift")) == {"ok": True}
    until_at(box, 400, 300)


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("left_click_drag", {"coordinate": [420, 320]}),
        ("left_click_drag", {"coordinate": [420, 320], "start_coordinate": [400, 300]}),
        ("left_mouse_down", {}),
        ("left_mouse_up", {}),
        ("left_mouse_down", {"coordinate": [410, 310]}),
        ("left_mouse_up", {"coordinate": [410, 310]}),
        ("scroll", {"direction": "down"}),
        ("scroll", {"direction": "up", "amount": 1, "coordinate": [400, 300]}),
        ("key", {"text": "Escape"}),
        ("key", {"text": "ctrl+Escape Escape"}),
        ("hold_key", {"text": "shift", "seconds": 0.1}),
        ("type", {"text": "grüße 🐍"}),
        ("wait", {"seconds": 0.1}),
    ],
)
def test_other_actions(box: Driven, action: str, arguments: dict[str, Any]) -> None:
    """Each does what it says, with what it needs and with all it takes."""
    assert said(box.computer_use(action, **arguments)) == {"ok": True}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "action"),
        ({"action": "dance"}, "action"),
        ({"action": "type"}, "text"),
        ({"action": "mouse_move"}, "coordinate"),
        ({"action": "mouse_move", "coordinate": [1]}, "coordinate"),
        ({"action": "mouse_move", "coordinate": "1,2"}, "coordinate"),
        ({"action": "mouse_move", "coordinate": [99999, 2]}, "99999"),
        ({"action": "scroll", "direction": "sideways"}, "direction"),
        ({"action": "key", "text": "NoSuchKey"}, "NoSuchKey"),
        ({"action": "wait", "seconds": 9999}, "seconds"),
        ({"action": "get_screenshot", "text": "x"}, "text"),
    ],
)
def test_what_is_wrong_is_named(box: Driven, arguments: dict[str, Any], named: str) -> None:
    """A wrong argument is refused, or the result is an error: in both cases the words name it."""
    try:
        words = failure(box.call_tool("computer_use", arguments))
    except InvalidRequest as refused:
        words = str(refused)
    assert named in words


def test_it_has_another_name(box: Driven) -> None:
    """Agents that know the tool as `computer` call it so."""
    assert said(box.call_tool("computer", {"action": "get_cursor_position"})).keys() == {"x", "y"}
