"""`computer_use` on a real desktop: what its actions do to programs that nobody here wrote."""

from __future__ import annotations

import pytest
from gui_box import GuiBox, changed
from managers import eventually

pytestmark = pytest.mark.docker

TITLE = (47, 52, 63)
"""The colour of the title of the window in front."""
EVERYTHING = 'Hello, Wörld! 你好，世界 – ñ € ½ "quoted" <tag> {} [] \\ ~ ^ ` Ж ß ﷼ ✓ 😀\n\tsecond line'


def save_as(gui: GuiBox, name: str) -> None:
    """Save what is in the editor under this name, by keys."""
    before = gui.picture()
    gui.use("key", text="ctrl+shift+s")
    eventually(lambda: changed(before, gui.picture()) > 0.05, 10, "the dialog is there")
    gui.use("key", text="ctrl+a")
    gui.use("type", text=f"/workspace/{name}")

    def saved() -> bool:
        gui.use("key", text="Return")
        return gui.file(name) is not None

    eventually(saved, 10, "the file is saved", every=0.4)


def test_an_editor_is_used_like_a_person_would(gui: GuiBox) -> None:
    """It is opened by a click, text of any script is typed, saved by keys, and read back as a file."""
    gui.launch("editor")
    gui.use("type", text=EVERYTHING)
    save_as(gui, "typed.txt")
    assert (gui.file("typed.txt") or "").rstrip("\n") == EVERYTHING
    many = "".join(chr(0x4E00 + number) for number in range(300))  # more characters than a keyboard has keys
    gui.use("key", text="ctrl+a")
    # A program that does not get to its input for a while loses none of it, although keys are given other meanings.
    gui.shell("pkill -STOP mousepad; (sleep 3; pkill -CONT mousepad) >/dev/null 2>&1 &")
    gui.use("type", text=many)
    gui.use("key", text="ctrl+s")
    eventually(lambda: (gui.file("typed.txt") or "").rstrip("\n") == many, 10, "the file is saved again")
    gui.use("key", text="ctrl+a ctrl+c End ctrl+v ctrl+s")
    eventually(lambda: (gui.file("typed.txt") or "").rstrip("\n") == many * 2, 10, "keys do what they do elsewhere")
    gui.use("key", text="alt+F4")


def test_a_terminal_runs_in_the_user_land(gui: GuiBox) -> None:
    """What is typed there is a command of the user, in the workspace, with the user's view of processes."""
    gui.launch("terminal")
    gui.use("type", text="pwd >where; ls /run/box >secrets 2>&1; pgrep -fc sandbox_server >seen; touch done\n")
    eventually(lambda: gui.file("done") is not None, 10, "the command ran")
    assert gui.file("where") == "/workspace\n"
    assert "cannot open directory" in str(gui.file("secrets"))
    assert gui.file("seen") == "0\n"
    gui.use("type", text="exit\n")


def test_the_pointer(gui: GuiBox) -> None:
    """It goes where it is told, is seen there, and is found where somebody else put it."""
    gui.use("mouse_move", coordinate=[700, 300])
    assert gui.use("get_cursor_position") == {"x": 700, "y": 300}
    there = gui.picture()
    gui.use("mouse_move", coordinate=[900.4, 300])
    assert gui.use("get_cursor_position") == {"x": 900, "y": 300}
    assert there.crop((695, 295, 720, 325)) != gui.picture().crop((695, 295, 720, 325))


def test_clicks_open_what_they_open(gui: GuiBox) -> None:
    """A double click opens a file of the desktop, a right click its menu, and Escape closes that."""
    gui.http.put("/files/content", params={"path": "aaa.txt"}, content="opened by a double click").raise_for_status()
    gui.shell("rm -f typed.txt where secrets seen done")
    gui.use("mouse_move", coordinate=[640, 20])
    empty = gui.picture(region=[200, 100, 1080, 700])
    gui.use("right_click", coordinate=[600, 300])
    eventually(lambda: changed(empty, gui.picture(region=[200, 100, 1080, 700])) > 0.01, 5, "a menu is there")
    gui.use("key", text="Escape")
    eventually(lambda: changed(empty, gui.picture(region=[200, 100, 1080, 700])) < 0.01, 5, "the menu is gone")
    gui.use("double_click", coordinate=[60, 40])
    eventually(lambda: changed(empty, gui.picture(region=[200, 100, 1080, 700])) > 0.2, 15, "the file is open")
    gui.use("key", text="alt+F4")
    eventually(lambda: changed(empty, gui.picture(region=[200, 100, 1080, 700])) < 0.01, 5, "the file is closed")


def test_a_window_is_dragged(gui: GuiBox) -> None:
    """By its title, with one action and with three."""
    gui.launch("terminal")
    before = gui.picture()
    title = next(y for y in range(800) if before.getpixel((560, y)) == TITLE) + 8
    gui.use("left_click_drag", startCoordinate=[560, title], coordinate=[500, title + 60])
    eventually(lambda: changed(before, gui.picture()) > 0.05, 5, "the window moved")
    dragged = gui.picture()
    gui.use("left_mouse_down", coordinate=[500, title + 60])
    gui.use("mouse_move", coordinate=[530, title + 30])
    gui.use("mouse_move", coordinate=[560, title])
    gui.use("left_mouse_up")
    eventually(lambda: changed(dragged, gui.picture()) > 0.05, 5, "the window moved back")
    gui.use("key", text="alt+F4")


def test_zoom_shows_small_things(gui: GuiBox) -> None:
    """Four times as large at most, and each pixel where it was."""

    def alike() -> bool:
        picture = gui.picture(region=[0, 760, 200, 800])
        assert picture.size == (800, 160)
        return bool(picture.resize((200, 40), 0) == gui.picture().crop((0, 760, 200, 800)))

    eventually(alike, 5, "the same pixels, once the panel has no more to do with windows that were closed")


def test_waiting_and_holding(gui: GuiBox) -> None:
    """Take the time that they are given; the tool's own time-out ends them, and lets the key go."""
    assert gui.use("wait", seconds=0.2) == {"ok": True}
    assert gui.use("hold_key", text="shift", seconds=0.2) == {"ok": True}
    result = gui.call("computer_use", within_s=0.3, action="hold_key", text="ctrl", seconds=30)
    assert result["isError"] and "timed out" in result["content"][0]["text"]
    gui.launch("terminal")
    gui.use("type", text="touch free\n")
    eventually(lambda: gui.file("free") is not None, 5, "ctrl is held no more")
    gui.use("type", text="exit\n")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"action": "mouse_move", "coordinate": [1280, 10]}, "outside of the screen of 1280 by 800 pixels"),
        ({"action": "left_click", "coordinate": [1, 2, 3]}, "must have 2 numbers, not 3"),
        ({"action": "zoom", "region": [100, 100, 50, 200]}, "no part of the screen"),
        ({"action": "key", "text": "Retrun"}, "there is no key 'Retrun'"),
        ({"action": "type", "text": "\x1b"}, "control character"),
        ({"action": "type"}, "needs the argument 'text'"),
        ({"action": "fly"}, "must be one of"),
    ],
)
def test_wrong_arguments_are_named(gui: GuiBox, arguments: dict[str, object], wrong: str) -> None:
    """Before anything is done, by a typed error."""
    answer = gui.http.post("/tools/computer_use", json={"arguments": arguments})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert wrong in answer.json()["detail"]


def test_other_names(gui: GuiBox) -> None:
    """What other vocabularies call the tool, its actions and its arguments is taken, and listed once."""
    assert gui.call("computer", action="screenshot")["content"][1]["type"] == "image"
    assert gui.call("computer_use", action="scroll", scroll_direction="down", scroll_amount=2)["isError"] is False
    listed = [tool["name"] for tool in gui.http.get("/tools").json()["tools"] if tool["group"] == "computer-use"]
    assert listed == ["computer_use"]


def test_another_resolution(gui: GuiBox) -> None:
    """The screen is resized while everything goes on: pictures, the panel and the pointer follow."""
    assert gui.http.put("/screen", json={"width": 1600, "height": 1000}).json() == {"width": 1600, "height": 1000}
    assert gui.http.get("/screen").json() == {"width": 1600, "height": 1000}
    eventually(lambda: gui.picture().getpixel((800, 995)) == (27, 33, 38), 5, "the panel is at the new bottom")
    gui.use("mouse_move", coordinate=[1599, 999])
    assert gui.use("get_cursor_position") == {"x": 1599, "y": 999}
    assert gui.http.put("/screen", json={"width": 1280, "height": 800}).status_code == 200
    for size in ({"width": 100, "height": 800}, {"width": 1280}, {"width": "1280", "height": 800}):
        assert gui.http.put("/screen", json=size).json()["code"] == "invalid_request"
