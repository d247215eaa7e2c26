# Made by scripts/unasync.py from tests/client/_async/test_gui.py. Do not edit: change that one and run `make unasync`.
"""The gui sandbox: what `computer_use` sends, and a real desktop that is used through it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import GuiSandbox
from agentscope_runtime.sandbox.errors import InvalidRequest

SENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"action": "get_screenshot"}, {}),
    ({"action": "left_click", "coordinate": (10, 20)}, {"coordinate": [10, 20]}),
    ({"action": "type", "text": "a"}, {"text": "a"}),
    ({"action": "scroll", "direction": "up", "amount": 2}, {"direction": "up", "amount": 2}),
    ({"action": "zoom", "region": (0, 0, 9, 9)}, {"region": [0, 0, 9, 9]}),
    ({"action": "wait", "seconds": 0}, {"seconds": 0}),
    (
        {"action": "left_click_drag", "coordinate": [1, 2], "start_coordinate": [3, 4]},
        {"coordinate": [1, 2], "startCoordinate": [3, 4]},
    ),
]


def test_only_what_is_said_is_sent(manager: ScriptedManager) -> None:
    """Under the tool's own names; what was left out is left out."""
    with GuiSandbox(base_url=manager.url, bearer_token=KEY) as box:
        for arguments, expected in SENT:
            said = json.loads((box.computer_use(**arguments))["content"][0]["text"])
            assert (said["name"], said["arguments"]) == ("computer_use", {"action": arguments["action"], **expected})


def test_sizes_that_no_screen_has(manager: ScriptedManager) -> None:
    """Are refused before anything is sent."""
    with GuiSandbox(base_url=manager.url, bearer_token=KEY) as box:
        with pytest.raises(InvalidRequest, match="width"):
            box.set_resolution(100, 800)
    with pytest.raises(InvalidRequest, match="resolution"):
        GuiSandbox(base_url=manager.url, bearer_token=KEY, resolution="large")


@pytest.mark.docker
def test_a_sentence_is_written_by_hand() -> None:
    """A text editor is opened by a click, a sentence typed and saved by keys, and read back by `fs`."""
    sentence = "Written by hand, 手写的 – on a screen of 1600 by 1000."
    with GuiSandbox(resolution="1600x1000") as box:
        assert box.get_resolution() == (1600, 1000)

        def picture() -> bytes:
            size, image = (box.computer_use("get_screenshot"))["content"]
            assert json.loads(size["text"]) == {"image_width": 1600, "image_height": 1000}
            return base64.b64decode(image["data"])

        empty = picture()
        box.computer_use("left_click", coordinate=[130, 980])
        for _ in range(50):
            if picture() != empty:
                break
            box.computer_use("wait", seconds=0.2)
        box.computer_use("wait", seconds=2)
        box.computer_use("type", text=sentence)
        box.computer_use("key", text="ctrl+s")
        box.computer_use("wait", seconds=1)
        box.computer_use("type", text="/workspace/note.txt")
        for _ in range(20):
            box.computer_use("key", text="Return")
            box.computer_use("wait", seconds=0.5)
            if box.fs.exists("note.txt"):
                break
        assert (box.fs.read("note.txt")).strip() == sentence
        assert box.set_resolution(1280, 800) == (1280, 800)
        assert (box.get_desktop_url()).startswith("http://127.0.0.1:")
