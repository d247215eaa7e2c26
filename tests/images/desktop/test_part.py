"""The desktop through its own door: who is let in, what they see, and what they may do."""

from __future__ import annotations

import pytest
from browser_box import BrowserBox, Witness, browser_box
from managers import eventually
from PIL import ImageChops
from rfb_viewer import viewer
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from agentscope_runtime.sandbox_manager.box import desktop_secret
from sandbox_server.desktop.part import door_secret
from sandbox_server.desktop.xserver import write_secret, xauthority

pytestmark = pytest.mark.docker

RED = (192, 57, 43)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic QTpC"}])
def test_the_door_asks_for_its_secret(web: BrowserBox, headers: dict[str, str]) -> None:
    """Whoever does not have it gets 401, and no byte of the desktop."""
    refused_with(web, headers)


def test_the_door_does_not_take_the_token(web: BrowserBox) -> None:
    """Else its process would have to know it."""
    refused_with(web, {"Authorization": f"Bearer {web.token}"})


def refused_with(web: BrowserBox, headers: dict[str, str]) -> None:
    """Assert that a viewer with these headers is not let in."""
    with pytest.raises(InvalidStatus) as refused, connect(web.desktop_url(), additional_headers=headers, proxy=None):
        pass
    assert refused.value.response.status_code == 401


def test_a_viewer_sees_the_page_that_a_tool_opened(web: BrowserBox, seen: Witness) -> None:
    """Chromium fills the screen; below its bars is the page, to the pixel."""
    web.ok("browser_navigate", url="http://example.com/colours")
    page = seen.page("/colours")
    # A window that was just opened is a pixel smaller until the window manager has filled the screen with it.
    page.wait_for_function("outerWidth == screen.width && outerHeight == screen.height && innerWidth == outerWidth")
    width, height, left = page.evaluate("[screen.width, screen.height, innerHeight]")
    with viewer(web.desktop_url(), web.token) as watching:
        assert [watching.width, watching.height] == [width, height] == [1280, 800]
        assert left > 700, "something takes room that is the page's"

        def shows() -> bool:
            picture = watching.screen()
            corner = picture.getpixel((1279, 799))
            return corner == RED and picture.getpixel((10, 800 - left + 10)) == (39, 174, 96)

        eventually(shows, 3, "the viewer shows the page")


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
        return len(web.outside("pgrep", "-f", "websockify").split())

    before = bridges()
    with viewer(web.desktop_url(), web.token) as first, viewer(web.desktop_url(), web.token) as second:
        eventually(
            lambda: ImageChops.difference(first.screen(), second.screen()).getbbox() is None, 3, "both show the same"
        )
        eventually(lambda: bridges() == before + 2, 3, "each viewer has its bridge")
    eventually(lambda: bridges() == before, 3, "the bridges have gone with their viewers")


def test_a_change_reaches_the_viewer_at_once(web: BrowserBox, seen: Witness) -> None:
    """Far sooner than a server that polls: well below a tenth of a second with a second process looking."""
    web.ok("browser_navigate", url="http://example.com/colours")
    with viewer(web.desktop_url(), web.token) as watching:
        eventually(lambda: watching.screen().getpixel((1200, 700)) == RED, 3, "the viewer shows red")
        seen.page("/colours").evaluate("document.body.style.background = '#0000ff'")
        eventually(lambda: watching.screen().getpixel((1200, 700)) == (0, 0, 255), 1, "the viewer shows blue", 0.02)


def test_its_size_can_be_chosen() -> None:
    """By the environment of the container; a size that is none is refused with the reason."""
    with browser_box(DESKTOP_GEOMETRY="1024x768") as box, viewer(box.desktop_url(), box.token) as watching:
        assert watching.screen().size == (1024, 768)
    with (
        pytest.raises(AssertionError, match="DESKTOP_GEOMETRY is '4x', not like 1280x800"),
        browser_box(DESKTOP_GEOMETRY="4x"),
    ):
        pass


def test_its_socket_and_secrets_are_the_servers_own(web: BrowserBox) -> None:
    """Nobody else can open them."""
    listed = web.outside("ls", "-l", "/run/box")
    for name in ("desktop.socket", "desktop.token", "desktop.cookie"):
        (line,) = [line for line in listed.splitlines() if line.endswith(name)]
        assert line[1:10] == "rw-------", line


def test_a_secret_is_never_readable_by_others(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also where an older file was."""
    path = tmp_path_factory.mktemp("run") / "token"
    path.write_text("old and longer")
    path.chmod(0o644)
    write_secret(path, b"new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)


def test_box_and_manager_agree_on_the_doors_secret() -> None:
    """Each makes it of the token by itself; it does not show the token."""
    assert door_secret("t" * 32) == desktop_secret("t" * 32) != door_secret("u" * 32)
    assert "ttt" not in door_secret("t" * 32) and len(door_secret("t" * 32)) == 64


def test_the_cookie_is_for_every_display() -> None:
    """Family, address, number, name, data: as libXau reads them."""
    assert xauthority(b"0123456789abcdef") == (
        b"\xff\xff\x00\x00\x00\x00\x00\x12MIT-MAGIC-COOKIE-1\x00\x100123456789abcdef"
    )
