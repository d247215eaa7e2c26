"""The browser's tools by the methods of `BrowserSandbox`: each with its defaults, with each argument, and refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from driving import Driven, failure, said, text

from agentscope_runtime.sandbox.errors import InvalidRequest

pytestmark = pytest.mark.docker
KINDS = ("browser",)

PAGE = """
<title>Checks</title>
<h1>grüße 🐍</h1>
<button onclick="this.textContent='Clicked'">Go</button>
<a href="#x" onmouseover="document.title='Hovered'">Link</a>
<input aria-label="Name" onkeydown="if(event.key=='Enter') document.title='Sent '+this.value">
<select aria-label="Colour" onchange="document.title=this.value">
  <option>red</option><option value="b">blue</option>
</select>
<input type="file" aria-label="File" onchange="document.title=this.files[0] ? this.files[0].name : 'none'">
<button onclick="document.title=prompt('Who?', 'nobody')">Ask</button>
<button onclick="setTimeout(()=>document.body.append('Later'), 300)">Wait</button>
<div draggable="true" aria-label="From" role="img" style="width:40px;height:40px">from</div>
<div aria-label="To" role="img" style="width:40px;height:40px"
  ondragover="event.preventDefault()" ondrop="document.title='Dropped'">to</div>
"""
HERE = "data:text/html;charset=utf-8," + quote(PAGE)


@pytest.fixture
def shown(box: Driven) -> Iterator[dict[str, str]]:
    """The refs of the page's elements by their names; the page is closed behind the check."""
    found = refs(text(box.browser_navigate(HERE)))
    yield found
    box.browser_close()


def refs(snapshot: str) -> dict[str, str]:
    """Return the refs of a snapshot by the names of their elements."""
    return dict(re.findall(r'^ *- \w+ "([^"]+)".*\[ref=(\w+)\]', snapshot, re.MULTILINE))


def title(result: dict[str, Any]) -> str:
    """Return the page's title that a result tells."""
    found = re.search(r"- Page Title: (.*)", text(result))
    return found[1] if found else ""


def picture(result: dict[str, Any]) -> tuple[str, bytes]:
    """Return kind and bytes of the one image of a result."""
    text(result)
    (item,) = (item for item in result["content"] if item["type"] == "image")
    return item["mimeType"], base64.b64decode(item["data"])


def test_snapshot_and_navigation(box: Driven, shown: dict[str, str]) -> None:
    """A page is opened and shown with its letters; back and forward go through the history, and no further."""
    assert {"Go", "Name", "Colour"} <= set(shown)
    assert "grüße 🐍" in text(box.browser_snapshot())
    assert "second" in text(box.browser_navigate("data:text/html,second"))
    assert "grüße" in text(box.browser_navigate_back())
    assert "second" in text(box.browser_navigate_forward())
    assert "no page to go forward to" in failure(box.browser_navigate_forward())
    assert "nothing listens there" in failure(box.browser_navigate("http://127.0.0.1:8999"))


def test_hands(box: Driven, shown: dict[str, str]) -> None:
    """Clicking, hovering, dragging, choosing and pressing keys do what a person's hands do."""
    assert 'button "Clicked"' in text(box.browser_click("Go button", shown["Go"]))
    assert title(box.browser_hover("Link", shown["Link"])) == "Hovered"
    assert title(box.browser_drag("From", shown["From"], "To", shown["To"])) == "Dropped"
    assert title(box.browser_select_option("Colour", shown["Colour"], ["blue"])) == "b"
    box.browser_click("Name", shown["Name"])
    assert title(box.browser_press_key("Enter")) == "Sent"


def test_typing(box: Driven, shown: dict[str, str]) -> None:
    """By default the field is filled; slowly key by key, and submitted where that is asked for."""
    box.browser_type("Name", shown["Name"], "über")
    assert title(box.browser_type("Name", shown["Name"], "grüße", submit=True)) == "Sent grüße"
    assert title(box.browser_type("Name", shown["Name"], "!", True, True)) == "Sent grüße!"


def test_a_dialog_blocks_until_it_is_answered(box: Driven, shown: dict[str, str]) -> None:
    """Other tools say what is open; the answer goes where the page wants it, its default where none is given."""
    for arguments, answer in (((True, "Ann"), "Ann"), ((True,), "nobody"), ((False,), "null")):
        assert "Modal state" in text(box.browser_click("Ask", shown["Ask"]))
        assert "browser_handle_dialog" in failure(box.browser_snapshot())
        assert title(box.browser_handle_dialog(*arguments)) == answer
    assert "only be used when there is a modal state" in failure(box.browser_handle_dialog(True))


def test_a_workspace_file_is_uploaded(box: Driven, shown: dict[str, str], folder: str) -> None:
    """A file chooser takes a file of the workspace; what is no file there is refused, and nothing closes it."""
    box.fs.write(f"{folder}/näme.txt", "x")
    box.browser_click("File", shown["File"])
    assert "is not a file" in failure(box.browser_file_upload([f"{folder}/none"]))
    assert "neither below" in failure(box.browser_file_upload(["/etc/passwd"]))
    assert title(box.browser_file_upload([f"/workspace/{folder}/näme.txt"])) == "näme.txt"
    box.browser_click("File", shown["File"])
    text(box.browser_file_upload([]))
    assert "only be used when there is a modal state" in failure(box.browser_file_upload([]))


def test_pictures(box: Driven, shown: dict[str, str], folder: str) -> None:
    """By default a JPEG of the page; PNG, a file and one element where that is asked for."""
    assert picture(box.browser_take_screenshot())[0] == "image/jpeg"
    kind, data = picture(box.browser_take_screenshot(raw=True))
    assert kind == "image/png" and data.startswith(b"\x89PNG")
    saved = box.browser_take_screenshot(filename=f"{folder}/shot.png")
    assert f"/workspace/{folder}/shot.png" in text(saved)
    assert box.fs.read(f"{folder}/shot.png", "bytes") == picture(saved)[1]
    assert len(picture(box.browser_take_screenshot(element="Go", ref=shown["Go"], raw=True))[1]) < len(data)
    assert "both element and ref" in failure(box.browser_take_screenshot(element="Go"))
    assert "cannot be saved" in failure(box.browser_take_screenshot(filename="../x.png"))


def test_pdf(box: Driven, shown: dict[str, str], folder: str) -> None:
    """By default it has a name of its own in the workspace, which the result tells; else the given one."""
    path = re.search(r"Saved page as (\S+)", text(box.browser_pdf_save()))
    assert path is not None and box.fs.read(path[1], "bytes").startswith(b"%PDF")
    box.fs.remove(path[1])
    text(box.browser_pdf_save(f"{folder}/page.pdf"))
    assert box.fs.exists(f"{folder}/page.pdf")


def test_what_a_page_said(box: Driven, shown: dict[str, str]) -> None:
    """Console and network are told since the page was opened."""
    script = "console.warn('oh'); fetch('http://127.0.0.1:8999/x').catch(() => 0)"
    box.browser_navigate(f"data:text/html,<script>{script}</script>")
    assert "[WARNING] oh" in text(box.browser_console_messages())
    assert "[GET] http://127.0.0.1:8999/x" in text(box.browser_network_requests())


def test_tabs(box: Driven, shown: dict[str, str]) -> None:
    """They are numbered from 1, opened blank or with an address, selected and closed."""
    box.browser_tab_new()
    assert "(current)" in text(box.browser_tab_new("data:text/html,<title>third</title>"))
    assert text(box.browser_tab_list()).count("\n") == 3 and "- 3: (current) [third]" in text(box.browser_tab_list())
    assert title(box.browser_tab_select(1)) == "Checks"
    box.browser_tab_close(2)
    box.browser_tab_close()
    assert "third" in text(box.browser_tab_list()) and "Checks" not in text(box.browser_tab_list())
    assert "9" in failure(box.browser_tab_select(9))


def test_waiting(box: Driven, shown: dict[str, str]) -> None:
    """For a time, for a text that comes, and for one that goes; for nothing is an error, as is what never comes."""
    box.browser_click("Wait", shown["Wait"])
    assert "Later" in text(box.browser_wait_for(text="Later"))
    text(box.browser_wait_for(time=0.1))
    text(box.browser_wait_for(text_gone="never there"))
    assert "what to wait for" in failure(box.browser_wait_for())
    assert "not there after 1 s" in failure(box.tool("browser_wait_for", within_s=1, text="never"))


def test_size_and_close(box: Driven, shown: dict[str, str]) -> None:
    """The page has the size it was given; without a page tools say so, and opening one works again."""
    text(box.browser_resize(500, 400))
    assert picture(box.browser_take_screenshot(raw=True))[1][16:24] == (500).to_bytes(4) + (400).to_bytes(4)
    assert "No open pages" in text(box.browser_close())
    assert "No open pages" in failure(box.browser_resize(500, 400))
    assert "grüße" in text(box.browser_navigate(HERE))


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("browser_navigate", {"url": 5}, "url"),
        ("browser_click", {"element": "x"}, "ref"),
        ("browser_type", {"element": "x", "ref": "e1", "text": "t", "submit": "yes"}, "submit"),
        ("browser_tab_select", {"index": 0}, "index"),
        ("browser_resize", {"width": -1, "height": 5}, "width"),
        ("browser_select_option", {"element": "x", "ref": "e1", "values": "one"}, "values"),
        ("browser_wait_for", {"time": -1}, "time"),
    ],
)
def test_wrong_arguments_are_named(box: Driven, tool: str, arguments: dict[str, Any], named: str) -> None:
    """The message names tool and argument."""
    with pytest.raises(InvalidRequest, match=f"{tool}.*{named}"):
        box.call_tool(tool, arguments)


def test_an_element_that_there_is_not(box: Driven, shown: dict[str, str]) -> None:
    """A ref that no snapshot has is an error which says what to do."""
    assert "snapshot" in failure(box.browser_click("nothing", "e999"))


def test_a_page_that_crashes_is_opened_again(box: Driven, shown: dict[str, str]) -> None:
    """Code of the user cannot see the browser, let alone end it; what a page does to itself costs that page alone."""
    assert said(box.run_shell_command("pgrep -c chromium || true")) == "0\n"
    box.browser_navigate("chrome://crash")
    assert "grüße" in text(box.browser_navigate(HERE))
