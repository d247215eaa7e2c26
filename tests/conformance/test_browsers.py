"""Browser tools, with a page that the sandbox serves to itself: defaults, wrong arguments, and who else may drive."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from driving import Driven, Subject, failure, text
from playwright.sync_api import sync_playwright

from agentscope_runtime.sandbox.errors import InvalidRequest

pytestmark = pytest.mark.docker
KINDS = ("browser",)

PAGE = """<title>Form</title><label>Name <input></label><select aria-label=Colour><option>Red<option>Blue</select>
<button onclick="alert('Hi')">Hello</button><input type=file aria-label=Photo>
<a href=report.bin download>Report</a><script>console.log('said')</script>"""
SERVE = "nohup python3 -m http.server 8091 >/dev/null 2>&1 & until (exec 3<>/dev/tcp/127.0.0.1/8091) 2>/dev/null; "
SERVE += "do sleep 0.05; done"
URL = "http://localhost:8091/form.html"


@pytest.fixture
def web(subject: Subject) -> Driven:
    """A sandbox with a browser at the page."""
    box = subject.box
    if "playwright" not in box.list_tools():
        pytest.skip(f"{subject.kind} has no browser tools")
    if not box.fs.exists("form.html"):
        box.fs.write("form.html", PAGE)
        box.fs.write("report.bin", "a report")
        box.run_shell_command(SERVE)
    box.browser_close()
    assert "- Page Title: Form" in text(box.browser_navigate(URL))
    return box


def ref(box: Driven, what: str) -> str:
    """Return the ref of an element in a fresh snapshot."""
    found = re.search(rf"{re.escape(what)}.*?\[ref=(\w+)\]", text(box.browser_snapshot()))
    assert found, what
    return found[1]


def test_all_that_needs_nothing_works_with_nothing(web: Driven) -> None:
    """Default arguments: pictures come back, files are saved and named."""
    image, _ = web.browser_take_screenshot()["content"]
    assert (image["type"], image["mimeType"]) == ("image", "image/jpeg")
    saved = re.search(r"Saved page as /workspace/(\S+\.pdf)", text(web.browser_pdf_save()))
    assert saved and web.fs.read(saved[1], "bytes")[:5] == b"%PDF-"
    assert "said" in text(web.browser_console_messages())
    assert "[200]" in text(web.browser_network_requests())
    assert "(current) [Form]" in text(web.browser_tab_list())
    assert "Open tabs" in text(web.browser_tab_new())
    assert "- Page Title: Form" in text(web.browser_tab_close())
    assert "No open pages" in text(web.browser_close())


def test_fields_lists_dialogs_and_choosers_are_used(web: Driven) -> None:
    """With every argument, as methods in the spelling of Python."""
    text(web.browser_type("Name", ref(web, 'textbox "Name"'), "grüße 🐍", submit=False, slowly=True))
    assert "grüße 🐍" in text(web.browser_snapshot())
    text(web.browser_select_option("Colour", ref(web, 'combobox "Colour"'), ["Blue"]))
    assert '["alert" dialog with message "Hi"]' in text(web.browser_click("Hello", ref(web, 'button "Hello"')))
    assert "has to wait until the modal state is handled" in failure(web.browser_snapshot())
    text(web.browser_handle_dialog(True))
    assert "[file chooser]" in text(web.browser_click("Photo", ref(web, 'button "Photo"')))
    assert "File chooser" not in text(web.browser_file_upload(["report.bin"]))


def test_a_download_lands_in_the_workspace(web: Driven) -> None:
    """Under its name, or the next that is free."""
    said = text(web.browser_click("Report", ref(web, 'link "Report"')))  # it may take a moment longer than the click
    said += text(web.browser_wait_for(time=0.5))
    path = re.search(r"Downloaded file report.bin to /workspace/(.*)", said)
    assert path, said
    assert web.fs.read(path[1]) == "a report"
    web.fs.remove(path[1])


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("browser_navigate", {}, "url"),
        ("browser_navigate", {"url": None}, "url"),
        ("browser_resize", {"width": 0, "height": 1}, "width"),
        ("browser_resize", {"width": "1", "height": 1}, "width"),
        ("browser_click", {"element": "x"}, "ref"),
        ("browser_type", {"element": "x", "ref": "e1", "text": 7}, "text"),
        ("browser_select_option", {"element": "x", "ref": "e1", "values": "a"}, "values"),
        ("browser_file_upload", {"paths": [7]}, "paths"),
        ("browser_handle_dialog", {"accept": "yes"}, "accept"),
        ("browser_tab_select", {"index": 0}, "index"),
        ("browser_wait_for", {"time": -1}, "time"),
        ("browser_snapshot", {"colour": "red"}, "colour"),
    ],
)
def test_wrong_arguments_are_named(web: Driven, tool: str, arguments: dict[str, Any], named: str) -> None:
    """Before anything is done."""
    with pytest.raises(InvalidRequest) as refused:
        web.call_tool(tool, arguments)
    assert tool in str(refused.value) and repr(named) in str(refused.value)


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("browser_navigate", {"url": ""}, "url is empty"),
        ("browser_navigate", {"url": "http://127.0.0.1:8009/"}, "connection was refused"),
        ("browser_click", {"element": "x", "ref": "e999"}, "take a browser_snapshot"),
        ("browser_press_key", {"key": "Nope"}, "there is no key 'Nope'"),
        ("browser_resize", {"width": 99_999, "height": 9}, "at most"),
        ("browser_take_screenshot", {"filename": "../x.png"}, "outside of /workspace"),
        ("browser_take_screenshot", {"ref": "e1"}, "both element and ref"),
        ("browser_pdf_save", {"filename": "/etc/x.pdf"}, "outside of /workspace"),
        ("browser_file_upload", {"paths": []}, "modal state"),
        ("browser_handle_dialog", {"accept": True}, "modal state"),
        ("browser_tab_select", {"index": 9}, "tab 9 does not exist"),
        ("browser_wait_for", {}, "say what to wait for"),
    ],
)
def test_what_cannot_be_done_says_why(web: Driven, tool: str, arguments: dict[str, Any], why: str) -> None:
    """As a result, since it happened inside the sandbox."""
    assert why in failure(web.call_tool(tool, arguments))


def test_two_calls_at_once_do_not_mix(web: Driven) -> None:
    """Each has its turn; both answer for themselves."""
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda key: text(web.browser_press_key(key)), ("a", "b"))
    assert 'press("a")' in one and 'press("b")' in two


def test_a_program_drives_it_too(web: Driven) -> None:
    """By an address that the sandbox gives, whichever class and manager it is of."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(web.get_cdp_url())
        browser.contexts[0].pages[0].evaluate("document.title = 'Driven'")
        browser.close()
    assert "- Page Title: Driven" in text(web.browser_snapshot())
