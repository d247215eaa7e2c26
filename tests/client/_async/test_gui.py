"""The gui sandbox: what `computer_use` sends, and a real desktop that is used through it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import GuiSandboxAsync
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


async def test_only_what_is_said_is_sent(manager: ScriptedManager) -> None:
    """Under the tool's own names; what was left out is left out."""
    async with GuiSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        for arguments, expected in SENT:
            said = json.loads((await box.computer_use(**arguments))["content"][0]["text"])
            assert (said["name"], said["arguments"]) == ("computer_use", {"action": arguments["action"], **expected})


async def test_sizes_that_no_screen_has(manager: ScriptedManager) -> None:
    """Are refused before anything is sent."""
    async with GuiSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        with pytest.raises(InvalidRequest, match="width"):
            await box.set_resolution_async(100, 800)
    with pytest.raises(InvalidRequest, match="resolution"):
        GuiSandboxAsync(base_url=manager.url, bearer_token=KEY, resolution="large")


@pytest.mark.docker
async def test_a_sentence_is_written_by_hand() -> None:
    """A text editor is opened by a click, a sentence typed and saved by keys, and read back by `fs`."""
    sentence = "Written by hand, 手写的 – on a screen of 1600 by 1000."
    async with GuiSandboxAsync(resolution="1600x1000") as box:
        assert await box.get_resolution_async() == (1600, 1000)

        async def picture() -> bytes:
            size, image = (await box.computer_use("get_screenshot"))["content"]
            assert json.loads(size["text"]) == {"image_width": 1600, "image_height": 1000}
            return base64.b64decode(image["data"])

        empty = await picture()
        await box.computer_use("left_click", coordinate=[130, 980])
        for _ in range(50):
            if await picture() != empty:
                break
            await box.computer_use("wait", seconds=0.2)
        await box.computer_use("wait", seconds=2)
        await box.computer_use("type", text=sentence)
        await box.computer_use("key", text="ctrl+s")
        await box.computer_use("wait", seconds=1)
        await box.computer_use("type", text="/workspace/note.txt")
        for _ in range(20):
            await box.computer_use("key", text="Return")
            await box.computer_use("wait", seconds=0.5)
            if await box.fs.exists_async("note.txt"):
                break
        assert (await box.fs.read_async("note.txt")).strip() == sentence
        assert await box.set_resolution_async(1280, 800) == (1280, 800)
        assert (await box.get_desktop_url_async()).startswith("http://127.0.0.1:")
