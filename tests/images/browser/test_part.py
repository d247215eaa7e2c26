"""The browser part: its tools are complete, and it stays in hand when pages and programs hang, crash or end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from browser_box import BrowserBox, Witness, browser_box, text_of
from managers import eventually
from web_site import Site

from sandbox_server.browser.actions import ACTIONS
from sandbox_server.browser.specs import SPECS

BROWSER_PROCESS = ("pgrep", "-of", "^/usr/lib/chromium/chromium --user-data-dir")
LOADING = """<title>Loading</title><p>Fresh news</p>
    <script>navigator.sendBeacon("/loading-begins")</script><script src="/held"></script>"""


@contextmanager
def call_inside(box: BrowserBox, site: Site) -> Iterator[Future[dict[str, Any]]]:
    """Have a call in the box for as long as the block runs (5 s at most): it loads a page that says so, and waits."""
    site.pages["/loading"] = LOADING
    before = len(site.posts)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(box.call, "browser_navigate", url="http://example.com/loading")
        try:
            eventually(lambda: len(site.posts) > before, 5, "the page begins to load", 0.02)
            yield call
        finally:
            site.hold.set()
            call.exception()  # waits for its end
            site.hold.clear()


@pytest.fixture(scope="module")
def own_box(site: Site) -> Iterator[BrowserBox]:
    """A box for tests that end its browser."""
    with browser_box(site) as box:
        yield box


def test_every_tool_has_its_action() -> None:
    """The table that agents see and the table of functions name the same 23 tools."""
    assert {spec.name for spec in SPECS} == set(ACTIONS)
    assert len(SPECS) == 23


def test_schemas_name_the_arguments_of_the_contract() -> None:
    """In camelCase; the other spelling is an alias."""
    by_name = {spec.name: spec for spec in SPECS}
    drag = by_name["browser_drag"]
    assert drag.schema()["required"] == ["startElement", "startRef", "endElement", "endRef"]
    assert drag.aliases() == {
        "start_element": "startElement",
        "start_ref": "startRef",
        "end_element": "endElement",
        "end_ref": "endRef",
    }
    assert by_name["browser_wait_for"].schema()["properties"]["textGone"]["type"] == ["string", "null"]
    assert by_name["browser_tab_close"].schema()["required"] == []


@pytest.mark.docker
def test_the_box_lists_them_all(web: BrowserBox) -> None:
    """In the group that the contract names."""
    tools = web.http.get("/tools").json()["tools"]
    assert {tool["name"] for tool in tools if tool["group"] == "playwright"} == set(ACTIONS)
    assert {"run_ipython_cell", "run_shell_command"} <= {tool["name"] for tool in tools}


@pytest.mark.docker
@pytest.mark.parametrize(
    ("arguments", "named"),
    [({}, "url"), ({"url": 7}, "url"), ({"url": "x", "colour": "red"}, "colour"), ({"url": None}, "url")],
)
def test_a_wrong_argument_is_named(web: BrowserBox, arguments: dict[str, object], named: str) -> None:
    """It is the caller's mistake, not a result."""
    answer = web.http.post("/tools/browser_navigate", json={"arguments": arguments})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert repr(named) in answer.json()["detail"]


@pytest.mark.docker
def test_a_page_that_hangs_ends_the_call_in_time(web: BrowserBox) -> None:
    """Its thread is busy for ever; other tabs and other addresses still work."""
    web.ok("browser_navigate", url="http://example.com/busy")
    ref = web.ref('button "Hang"')
    for name, arguments in (("browser_click", {"element": "Hang", "ref": ref}), ("browser_snapshot", {})):
        began = time.monotonic()
        result = web.call(name, within_s=1.5, **arguments)
        assert result["isError"] and text_of(result), result
        assert time.monotonic() - began < 2.5
    assert "- Page Title: Second" in web.ok("browser_tab_new", url="http://example.org/second")
    assert "(page does not respond)" in web.ok("browser_tab_list")
    web.ok("browser_tab_close", index=1)
    assert "Open tabs" not in web.ok("browser_snapshot")


@pytest.mark.docker
def test_a_page_that_crashes_is_reported_and_replaced(web: BrowserBox, seen: Witness) -> None:
    """The browser lives on."""
    web.ok("browser_navigate", url="http://example.com/form")
    web.ref('button "Press"')
    crash = web.call("browser_navigate", within_s=5, url="chrome://crash")
    assert crash["isError"] and "crash" in text_of(crash)
    assert "crashed" in web.error("browser_press_key", key="a")
    assert "- Page Title: Home" in web.ok("browser_navigate", url="http://example.com/")
    assert seen.urls() == ["http://example.com/"]


@pytest.mark.docker
def test_calls_wait_for_each_other(web: BrowserBox, site: Site) -> None:
    """Two at a time do not mix; the second has its turn within its own time."""
    with call_inside(web, site) as first, ThreadPoolExecutor(1) as pool:
        late = web.call("browser_snapshot", within_s=0.3)
        assert late["isError"] and "timed out after 0.3 s" in text_of(late)
        second = pool.submit(web.ok, "browser_snapshot")
        assert not first.done()
        site.hold.set()
        assert "Fresh news" in second.result()
        assert first.result()["isError"] is False


@pytest.mark.docker
def test_a_stopped_browser_ends_the_call_in_time_and_comes_back(own_box: BrowserBox) -> None:
    """As when the machine is out of breath."""
    own_box.ok("browser_navigate", url="http://example.com/")
    pid = own_box.outside(*BROWSER_PROCESS).strip()
    own_box.outside("kill", "-STOP", pid)
    began = time.monotonic()
    result = own_box.call("browser_navigate", within_s=1.0, url="http://example.com/second")
    assert time.monotonic() - began < 2
    assert result["isError"] and ("timed out" in text_of(result) or "no answer in time" in text_of(result))
    own_box.outside("kill", "-CONT", pid)
    assert "- Page Title: Form" in own_box.ok("browser_navigate", url="http://example.com/form")


@pytest.mark.docker
@pytest.mark.parametrize("victim", [BROWSER_PROCESS, ("pgrep", "-of", "playwright/driver/node")])
def test_a_browser_or_driver_that_ended_is_started_again(
    own_box: BrowserBox, site: Site, victim: tuple[str, ...]
) -> None:
    """The call in flight fails in words, the next one says what happened and works."""
    with call_inside(own_box, site) as call:
        own_box.outside("kill", "-KILL", own_box.outside(*victim).strip())
        result = call.result()
    assert result["isError"] is True and "ended during browser_navigate" in json.dumps(result), result
    assert "- Page Title: Home" in own_box.ok("browser_navigate", url="http://example.com/")
    own_box.outside("kill", "-KILL", own_box.outside(*victim).strip())
    eventually(lambda: own_box.call("browser_tab_list")["isError"] is False, 10, "the browser is back")
    said = own_box.ok("browser_navigate", url="http://example.com/")
    assert "- Page Title: Home" in said


@pytest.mark.docker
def test_the_next_call_is_told_of_an_end(own_box: BrowserBox) -> None:
    """What an agent remembers of its pages is no longer true."""
    own_box.ok("browser_navigate", url="http://example.com/")
    before = own_box.outside(*BROWSER_PROCESS).strip()
    own_box.outside("kill", "-KILL", before)
    eventually(
        lambda: own_box.container.exec_run(list(BROWSER_PROCESS))[1] not in (b"", f"{before}\n".encode()),
        10,
        "another browser runs",
    )
    assert "its earlier pages are gone" in own_box.ok("browser_navigate", url="http://example.com/")
    assert "gone" not in own_box.ok("browser_snapshot")
