"""A person opens the watch link in a real browser and sees what the agent's tools do."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from managers import Server, eventually
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser, Page

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BrowserSandbox

pytestmark = pytest.mark.docker

PAGE = """<!doctype html><title>Seen</title>
<style>body{margin:0;background:linear-gradient(90deg,#c0392b 0 33%,#27ae60 33% 66%,#2980b9 66%);height:100vh}
p{margin:0;padding:90px;font:bold 90px sans-serif;color:#fff}</style><p>Watch me</p>"""


@pytest.fixture(scope="module")
def box(make_server: Callable[..., Server]) -> Iterator[BrowserSandbox]:
    """A leased browser that shows a page with large fields of colour."""
    server = make_server(DEFAULT_SANDBOX_TYPE="browser", POOL_SIZE="1").wait_ready()
    service = SandboxService(base_url=server.url, bearer_token=server.key)
    (box,) = service.connect("watched", "alice", ["browser"])
    assert isinstance(box, BrowserSandbox)
    box.fs.write("site/index.html", PAGE)
    box.run_shell_command("cd site && nohup python3 -m http.server 8765 >/dev/null 2>&1 &")
    box.run_shell_command("curl --retry 20 --retry-connrefused --retry-delay 1 -s -o /dev/null http://127.0.0.1:8765/")
    assert box.browser_navigate("http://127.0.0.1:8765/")["isError"] is False
    yield box
    service.release("watched", "alice")


def picture(result: dict[str, Any]) -> Image.Image:
    """Return the image of a screenshot result."""
    (data,) = [item["data"] for item in result["content"] if item["type"] == "image"]
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def desktop(page: Page) -> Image.Image | None:
    """Return what the viewer has drawn, in the desktop's own pixels; None before there is anything."""
    data = page.evaluate("(() => { const c = document.querySelector('canvas'); return c?.width && c.toDataURL() })()")
    return Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))).convert("RGB") if data else None


def has_drawn(page: Page) -> bool:
    """Whether the viewer shows anything."""
    return desktop(page) is not None


def difference(seen: Image.Image | None, page: Image.Image) -> float:
    """Return the mean difference per channel, 0-255, of the page and the place of the desktop where it must be."""
    if seen is None or seen.height < page.height or seen.width < page.width:
        return 255.0
    part = seen.crop((0, seen.height - page.height, page.width, seen.height))
    return sum(ImageStat.Stat(ImageChops.difference(part, page)).mean) / 3


def test_the_link_shows_what_the_tool_sees_and_opens_once(box: BrowserSandbox, chromium: Browser) -> None:
    """The viewer draws the tool's page pixel for pixel (but for VNC's JPEG); the link is worth nothing after that."""
    shot = picture(box.browser_take_screenshot(raw=True))
    link = box.desktop_url
    page = chromium.new_page()
    page.goto(link)
    eventually(lambda: difference(desktop(page), shot) < 6, 20, "the viewer shows the page")
    assert "#" not in page.url, "the ticket stays out of the history"

    thief = chromium.new_context().new_page()
    thief.goto(link)
    thief.wait_for_selector("[data-state=refused], [data-state=ended]")
    assert desktop(thief) is None
    page.close()


def test_no_ticket_shows_nothing(box: BrowserSandbox, chromium: Browser) -> None:
    """The page alone, without a ticket, opens no desktop."""
    page = chromium.new_context().new_page()
    page.goto(box.desktop_url.split("#")[0])
    page.wait_for_selector("[data-state=refused], [data-state=ended]")
    assert desktop(page) is None


def test_watching_cannot_type_but_control_can(box: BrowserSandbox, chromium: Browser) -> None:
    """Keys and clicks of a view-only viewer do not reach the desktop; with control they do."""
    box.fs.write("site/form.html", "<title>Form</title><input autofocus style='width:99vw;height:95vh;font-size:90px'>")
    box.browser_navigate("http://127.0.0.1:8765/form.html")
    for control, word in ((False, "watching"), (True, "controlling")):
        with chromium.new_context() as person:
            page = person.new_page()
            page.goto(box.get_desktop_url(control=control))
            page.wait_for_selector("[data-state=connected]")
            eventually(partial(has_drawn, page), 20, "the viewer draws")
            page.locator("canvas").click()
            page.keyboard.type(word)
            if control:
                eventually(lambda: "controlling" in str(box.browser_snapshot()), 10, "the typed text arrives")
    # What the watcher typed went the same way, and earlier: had it been let through, it would stand there, too.
    assert "watching" not in str(box.browser_snapshot())
