"""The desktop through its own door: who is let in, what they see, and what they may do."""

from __future__ import annotations

import time

import pytest
from browser_box import BrowserBox, Witness, browser_box, eventually
from PIL import ImageChops
from rfb_viewer import viewer
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sandbox_server.desktop import write_secret

pytestmark = pytest.mark.docker

RED = (192, 57, 43)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic QTpC"}])
def test_the_door_asks_for_the_token(web: BrowserBox, headers: dict[str, str]) -> None:
    """Whoever does not have it gets 401, and no byte of the desktop."""
    with pytest.raises(InvalidStatus) as refused, connect(web.desktop_url(), additional_headers=headers, proxy=None):
        pass
    assert refused.value.response.status_code == 401


def test_a_viewer_sees_the_page_that_a_tool_opened(web: BrowserBox, seen: Witness) -> None:
    """Chromium fills the screen; below its bars is the page, to the pixel."""
    web.ok("browser_navigate", url="http://example.com/colours")
    inner, outer, screen = seen.page("/colours").evaluate(
        "[[innerWidth, innerHeight], [outerWidth, outerHeight], [screen.width, screen.height]]"
    )
    with viewer(web.desktop_url(), web.token) as watching:
        assert [watching.width, watching.height] == outer == screen == [1280, 800]
        assert inner[0] == 1280 and inner[1] > 700, "something takes room that is the page's"

        def shows() -> bool:
            picture = watching.screen()
            corner = picture.getpixel((1279, 799))
            return corner == RED and picture.getpixel((10, 800 - inner[1] + 10)) == (39, 174, 96)

        eventually(shows, lambda: "not the page")


def test_a_person_and_the_tools_drive_the_same_page(web: BrowserBox, seen: Witness) -> None:
    """A click on the screen is felt by the page that the tools are at."""
    web.ok("browser_navigate", url="http://example.com/form")
    x, y = seen.page("/form").evaluate(
        """(() => {
            const b = [...document.querySelectorAll("button")].find(b => b.innerText == "Press").getBoundingClientRect()
            return [b.x + b.width / 2, b.y + b.height / 2 + outerHeight - innerHeight]
        })()"""
    )
    with viewer(web.desktop_url(), web.token) as person:
        person.click(round(x), round(y))
        seen.see("window.did.includes('clicked')", True, "/form")
        person.move(640, 5)  # out of the way of other tests' pages


def test_viewers_come_and_go(web: BrowserBox) -> None:
    """Two at once see the same; what was started for one ends with it."""

    def bridges() -> int:
        return len(web.run("pgrep", "-f", "websockify").split())

    before = bridges()
    with viewer(web.desktop_url(), web.token) as first, viewer(web.desktop_url(), web.token) as second:
        eventually(lambda: ImageChops.difference(first.screen(), second.screen()).getbbox() is None, lambda: "differ")
        eventually(lambda: bridges() == before + 2, bridges)
    eventually(lambda: bridges() == before, bridges)


def test_a_change_reaches_the_viewer_at_once(web: BrowserBox, seen: Witness) -> None:
    """Far sooner than a server that polls: well below a tenth of a second with a second process looking."""
    web.ok("browser_navigate", url="http://example.com/colours")
    with viewer(web.desktop_url(), web.token) as watching:
        eventually(lambda: watching.screen().getpixel((1200, 700)) == RED, lambda: "not red")
        seen.page("/colours").evaluate("document.body.style.background = '#0000ff'")
        began = time.monotonic()
        eventually(lambda: watching.screen().getpixel((1200, 700)) == (0, 0, 255), lambda: "not blue")
        assert time.monotonic() - began < 1


def test_its_size_can_be_chosen() -> None:
    """By the environment of the container; a size that is none is refused with the reason."""
    with browser_box(DESKTOP_GEOMETRY="1024x768") as box, viewer(box.desktop_url(), box.token) as watching:
        assert watching.screen().size == (1024, 768)
    with (
        pytest.raises(AssertionError, match="DESKTOP_GEOMETRY is '4x', not like 1280x800"),
        browser_box(DESKTOP_GEOMETRY="4x"),
    ):
        pass


def test_the_windows_socket_and_token_are_the_servers_own(web: BrowserBox) -> None:
    """Nobody else can open them."""
    listed = web.run("ls", "-l", "/run/box")
    for name in ("desktop.socket", "desktop.token"):
        (line,) = [line for line in listed.splitlines() if line.endswith(name)]
        assert line[1:10] == "rw-------", line


def test_a_secret_is_never_readable_by_others(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also where an older file was."""
    path = tmp_path_factory.mktemp("run") / "token"
    path.write_text("old and longer")
    path.chmod(0o644)
    write_secret(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
