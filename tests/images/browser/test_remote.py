"""Programs that nobody here wrote drive the box's browser by CDP, beside the tools, and leave it whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from browser_box import BrowserBox, browser_box
from managers import eventually
from playwright.sync_api import Browser, Playwright, sync_playwright
from real_box import stdout
from rfb_viewer import viewer
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

pytestmark = pytest.mark.docker

AUTO_ATTACH = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
ENTER = 0xFF0D
ADDRESS_BAR = (700, 63)
"""Where it is on a screen of 1280 by 800."""
BROWSER_PROCESS = ("pgrep", "-of", "^/usr/lib/chromium/chromium --user-data-dir")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """One Playwright for all."""
    with sync_playwright() as running:
        yield running


@pytest.fixture
def own_box() -> Iterator[BrowserBox]:
    """A box for one test alone."""
    with browser_box() as box:
        yield box


def cdp_url(box: BrowserBox) -> str:
    """Return the address at the box, which only its manager reaches elsewhere."""
    return f"ws://{box.host}:{box.http.base_url.port}/cdp"


@contextmanager
def driving(playwright: Playwright, box: BrowserBox) -> Iterator[Browser]:
    """Drive the browser with Playwright, as a user's script does."""
    browser = playwright.chromium.connect_over_cdp(cdp_url(box), headers=dict(box.http.headers))
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def speaking(box: BrowserBox) -> Iterator[ClientConnection]:
    """Speak the protocol by hand."""
    with connect(
        cdp_url(box), additional_headers={"Authorization": f"Bearer {box.token}"}, max_size=None, compression=None
    ) as socket:
        yield socket


def ask(socket: ClientConnection, number: int, method: str, **parameters: object) -> dict[str, Any]:
    """Ask for something and return the whole answer."""
    socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
    while True:
        said: dict[str, Any] = json.loads(socket.recv(timeout=10))
        if said.get("id") == number:
            return said


def test_playwright_and_the_tools_see_the_same_page(playwright: Playwright, web: BrowserBox) -> None:
    """Whichever of them changed it."""
    web.ok("browser_navigate", url="http://example.com/")
    with driving(playwright, web) as browser:
        (page,) = browser.contexts[0].pages
        assert page.title() == "Home"
        page.goto("http://example.com/form")
        assert "- Page Title: Form" in web.ok("browser_snapshot")
        page.evaluate("document.title = 'Renamed'")
        assert "- Page Title: Renamed" in web.ok("browser_snapshot")
        web.ok("browser_navigate", url="http://example.org/second")
        assert page.title() == "Second"
        other = browser.contexts[0].new_page()
        other.goto("http://example.com/form")
        assert "- 2: " in web.ok("browser_tab_list")
        assert len(other.screenshot()) > 1000


def test_a_person_sees_what_a_program_does(playwright: Playwright, web: BrowserBox) -> None:
    """There is one browser: that of the program is the one on the screen."""
    web.ok("browser_navigate", url="http://example.com/")
    with driving(playwright, web) as browser, viewer(web.desktop_url(), web.token) as person:
        browser.contexts[0].pages[0].evaluate("document.body.style.background = 'rgb(0, 0, 255)'")
        eventually(lambda: person.screen().getpixel((1200, 700)) == (0, 0, 255), 3, "the screen is blue", 0.02)


def test_the_tools_survive_a_program_that_leaves_and_closes_everything(playwright: Playwright, web: BrowserBox) -> None:
    """The last page, its own context, and the connection."""
    web.ok("browser_navigate", url="http://example.com/")
    with driving(playwright, web) as browser:
        own = browser.new_context().new_page()
        own.goto("http://example.org/second")
        for page in browser.contexts[0].pages:
            page.close()
    assert "earlier pages are gone" not in web.ok("browser_navigate", url="http://example.com/form")
    assert "- Page Title: Form" in web.ok("browser_snapshot")


@pytest.mark.parametrize(
    "spelled",
    [
        r'{"id": 1, "method": "Browser\u002ecrash"}',
        r'{"id": 1, "\u006dethod": "\u0042rowser.crash"}',
        r'{"id": 1, "method": "\x42rowser.crash"}',
        '{"id": 1, /* a comment */ "method": "Browser.crash"}',
        '{"id": 1, "method": "Target.sendMessageToTarget", "params": {"message": "{\\"id\\": 2, \\"method\\": '
        '\\"Browser.crash\\"}", "sessionId": "x"}}',
        r'{"id": 1, "method": ["Browser.crash", "\u0042"]}',
        '{"id": 1, "params": "Browser.crash", "params": {"x": "\\"Browser.crash"}}',
    ],
)
def test_what_chromium_must_not_hear_is_known_in_any_spelling(web: BrowserBox, spelled: str) -> None:
    """Escapes, comments, messages within messages; the connection goes on, whatever was said."""
    before = web.outside(*BROWSER_PROCESS)
    with speaking(web) as socket:
        socket.send(spelled)
        assert "error" in json.loads(socket.recv(timeout=10))
        assert "Chrome" in ask(socket, 3, "Browser.getVersion", note="é \\u0042")["result"]["product"]
    assert web.outside(*BROWSER_PROCESS) == before


def test_closing_the_browser_only_leaves_it(web: BrowserBox) -> None:
    """As Puppeteer's `browser.close()` does; crashing it is refused."""
    before = web.outside(*BROWSER_PROCESS)
    with speaking(web) as socket:
        for number, method in enumerate(("Browser.crash", "Browser.crashGpuProcess"), start=1):
            assert "is refused" in ask(socket, number, method)["error"]["message"]
        assert ask(socket, 3, "Browser.close") == {"id": 3, "result": {}}
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)
    assert web.outside(*BROWSER_PROCESS) == before


def test_the_version_is_told_without_the_inner_address(web: BrowserBox) -> None:
    """It leads nowhere outside of the box."""
    said = web.http.get("/cdp/version").json()
    assert said["Browser"].startswith("Chrome/") and said["Protocol-Version"] == "1.3"
    assert "webSocketDebuggerUrl" not in said


def test_nobody_drives_without_the_token(web: BrowserBox) -> None:
    """Code in the box can reach the port."""
    with pytest.raises(InvalidStatus) as refusal, connect(cdp_url(web)):
        pass
    assert refusal.value.response.status_code == 401


def test_what_is_no_cdp_harms_nobody(web: BrowserBox) -> None:
    """Neither bytes, nor broken JSON, nor methods that do not exist."""
    with speaking(web) as socket:
        for word in (b"\x00\xff", "no JSON", "[]", '{"id": "Browser.close"}', '{"method": "Browser.close"}', "7"):
            socket.send(word)
        assert "wasn't found" in ask(socket, 9, "Browser.nothing")["error"]["message"]
    assert web.ok("browser_tab_list")


def test_programs_that_vanish_leave_nothing(web: BrowserBox) -> None:
    """Without a goodbye, in the middle of an answer; the browser has no connection more than before."""

    def held() -> int:
        # Established connections of the container to Chromium's port, 9222.
        return int(web.outside("sh", "-c", "grep -c ':2406 01 ' /proc/net/tcp || true"))

    before = held()
    assert before >= 2, "Playwright and the server are connected"
    for _ in range(5):
        with speaking(web) as socket:
            socket.send(json.dumps({"id": 1, "method": "Target.setAutoAttach", "params": AUTO_ATTACH}))
            socket.send(json.dumps({"id": 2, "method": "SystemInfo.getInfo"}))
            socket.socket.close()
    eventually(lambda: held() == before, 10, "their connections are closed")
    assert web.ok("browser_tab_new", url="http://example.com/")


def test_a_download_that_a_program_began_lands_in_the_workspace(playwright: Playwright, web: BrowserBox) -> None:
    """It hears of it, and so does the next tool; its own wish where to put it counts for nobody."""
    web.ok("browser_navigate", url="http://example.com/downloads")
    with driving(playwright, web) as browser:
        page = browser.contexts[0].pages[0]
        with page.expect_download() as begun:
            page.evaluate("location.href = '/file'")
        assert begun.value.suggested_filename == "report.bin"
        assert begun.value.failure() is None
        saved = stdout(web.shell("cat report*.bin | head -c 20; ls -A /workspace"))
        assert saved.startswith("contents of the file") and "browser-downloads" not in saved
    assert "Downloaded file report.bin to /workspace/report" in web.ok("browser_snapshot")
    # After it left, too, and without anybody who listens.
    web.shell("rm -f report*.bin")
    web.ok("browser_navigate", url="http://example.com/file")
    assert stdout(web.shell("cat report.bin")) == "contents of the file"


def test_a_download_in_a_context_of_its_own_lands_there_too(playwright: Playwright, web: BrowserBox) -> None:
    """Under the next free name."""
    web.shell("rm -f report*.bin; echo mine >report.bin")
    with driving(playwright, web) as browser:
        page = browser.new_context().new_page()
        page.goto("http://example.com/downloads")
        with page.expect_download() as begun:
            page.evaluate("location.href = '/file'")
        assert begun.value.failure() is None
        assert stdout(web.shell("cat report.bin 'report (1).bin'")) == "mine\ncontents of the file"
    web.shell("rm -f report*.bin")


def test_a_download_that_a_person_began_lands_there_too(web: BrowserBox) -> None:
    """By typing an address on the desktop; the next tool tells of it."""
    web.shell("rm -f report*.bin")
    web.ok("browser_navigate", url="http://example.com/downloads")
    with viewer(web.desktop_url(), web.token) as person:
        # A click is Chromium's own at once. Control+L is asked of the page first, which gets letters meanwhile.
        person.click(*ADDRESS_BAR)
        for letter in "http://example.com/file":
            person.press(ord(letter))
        person.press(ENTER)
        eventually(lambda: "report.bin" in stdout(web.shell("ls")), 10, "the file is there")
    assert "Downloaded file report.bin to /workspace/report.bin" in web.ok("browser_snapshot")
    web.shell("rm -f report.bin")


def test_files_are_uploaded_from_both_sides(playwright: Playwright, web: BrowserBox) -> None:
    """From the workspace by the protocol, from the program's own disk by Playwright."""
    web.shell("echo from the workspace >up.txt")
    web.ok("browser_navigate", url="http://example.com/")
    with driving(playwright, web) as browser:
        page = browser.contexts[0].pages[0]
        page.set_content("<input type=file>")
        read = "async () => await document.querySelector('input').files[0].text()"
        session = browser.contexts[0].new_cdp_session(page)
        document = session.send("DOM.getDocument")["root"]["nodeId"]
        field = session.send("DOM.querySelector", {"nodeId": document, "selector": "input"})["nodeId"]
        session.send("DOM.setFileInputFiles", {"nodeId": field, "files": ["/workspace/up.txt"]})
        assert page.evaluate(read) == "from the workspace\n"
        size = 20 << 20
        page.set_input_files("input", {"name": "big", "mimeType": "application/octet-stream", "buffer": b"x" * size})
        assert page.evaluate("document.querySelector('input').files[0].size") == size


def test_a_program_is_told_when_the_browser_ends(own_box: BrowserBox) -> None:
    """And may connect again to the one that is started."""
    with speaking(own_box) as socket:
        own_box.outside("kill", "-KILL", own_box.outside(*BROWSER_PROCESS).strip())
        with pytest.raises(ConnectionClosed) as ended:
            socket.recv(timeout=10)
        assert ended.value.rcvd is not None and ended.value.rcvd.code == 4010
    eventually(lambda: own_box.http.get("/cdp/version").is_success, 15, "another browser runs")
    with speaking(own_box) as socket:
        assert "result" in ask(socket, 1, "Browser.getVersion")
