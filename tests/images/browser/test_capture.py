"""Looking without touching: pictures, PDF, console and network, checked by their bytes and by the page."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import pytest
from browser_box import BrowserBox, Witness, text_of
from PIL import Image

pytestmark = pytest.mark.docker

RED, GREEN = (192, 57, 43), (39, 174, 96)


def picture(result: dict[str, Any], mime_type: str) -> Image.Image:
    """Return the picture of a result that must have succeeded."""
    first, second = result["content"]
    assert (result["isError"], first["type"], second["type"]) == (False, "image", "text"), result
    assert first["mimeType"] == mime_type
    return Image.open(io.BytesIO(base64.b64decode(first["data"])))


def near(pixel: Any, wanted: tuple[int, int, int]) -> bool:
    """Tell whether a pixel has a colour, as far as a JPEG keeps it."""
    return all(abs(a - b) < 12 for a, b in zip(pixel, wanted, strict=False))


@pytest.fixture
def colours(web: BrowserBox) -> BrowserBox:
    """The box, at a red page with a green box of 200 by 100."""
    web.ok("browser_navigate", url="http://example.com/colours")
    return web


def test_a_screenshot_by_default_is_a_jpeg_of_the_page(colours: BrowserBox, seen: Witness) -> None:
    """Image first, then text; every default given, as the Python method sends them."""
    result = colours.call("browser_take_screenshot", raw=False, filename="", element="", ref="")
    image = picture(result, "image/jpeg")
    assert list(image.size) == seen.page("/colours").evaluate("[innerWidth, innerHeight]")
    assert near(image.getpixel((50, 50)), GREEN) and near(image.getpixel((500, 300)), RED)
    assert 'screenshot(type="jpeg", scale="css", quality=50)' in text_of(result)
    assert image.format == "JPEG" and picture(colours.call("browser_take_screenshot"), "image/jpeg").size == image.size


def test_a_raw_screenshot_is_a_png(colours: BrowserBox) -> None:
    """Without loss."""
    image = picture(colours.call("browser_take_screenshot", raw=True), "image/png")
    assert image.convert("RGB").getpixel((50, 50)) == GREEN


def test_a_screenshot_with_a_name_is_saved_and_returned(colours: BrowserBox) -> None:
    """In the workspace, folders made; `.png` means PNG."""
    result = colours.call("browser_take_screenshot", filename="shots/first.png")
    assert "/workspace/shots/first.png" in text_of(result)
    saved = colours.http.get("/files/content", params={"path": "shots/first.png"}).content
    assert saved == base64.b64decode(result["content"][0]["data"])
    picture(result, "image/png")
    assert "cannot be saved" in colours.error("browser_take_screenshot", filename="../../etc/x.png")


def test_a_screenshot_of_one_element(colours: BrowserBox) -> None:
    """Needs both the words and the ref."""
    ref = colours.ref('button "Box"')
    image = picture(colours.call("browser_take_screenshot", element="Box", ref=ref), "image/jpeg")
    assert image.size == (200, 100) and near(image.getpixel((150, 80)), GREEN)
    assert "both element and ref" in colours.error("browser_take_screenshot", ref=ref)
    assert "both element and ref" in colours.error("browser_take_screenshot", element="Box")


def test_a_pdf_by_default_gets_a_name(colours: BrowserBox) -> None:
    """The text names the file, and the file is a PDF."""
    said = colours.ok("browser_pdf_save", filename="")
    found = re.search(r"Saved page as (/workspace/page-[\w-]+\.pdf)", said)
    assert found, said
    content = colours.http.get("/files/content", params={"path": found[1]}).content
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")


def test_a_pdf_with_a_name(colours: BrowserBox) -> None:
    """In the folder that was named."""
    assert "Saved page as /workspace/out/page.pdf" in colours.ok("browser_pdf_save", filename="out/page.pdf")
    content = colours.http.get("/files/content", params={"path": "out/page.pdf"}).content
    assert content.startswith(b"%PDF-")


def test_snapshot_of_nothing_is_a_blank_page(web: BrowserBox, seen: Witness) -> None:
    """It takes up the window that stays for the person."""
    assert "- Page URL: about:blank" in web.ok("browser_snapshot")
    assert seen.urls() == ["about:blank"]


def test_snapshot_shows_what_the_page_shows(web: BrowserBox, seen: Witness) -> None:
    """Also what changed since the navigation."""
    web.ok("browser_navigate", url="http://example.com/second")
    seen.page("/second").evaluate("document.querySelector('p').textContent = 'of many'")
    assert "of many" in web.ok("browser_snapshot")


def test_console_messages_since_navigation(web: BrowserBox, seen: Witness) -> None:
    """Two items: the log, and where the page is; another page starts anew."""
    web.ok("browser_navigate", url="http://example.com/")
    seen.page("example.com").evaluate("setTimeout(() => { throw new Error('oops') })")
    web.ok("browser_wait_for", time=0.1)
    result = web.call("browser_console_messages")
    log, info = (item["text"] for item in result["content"])
    assert log.splitlines()[:2] == ["[LOG] hello 7", "[ERROR] bad thing"]
    assert "oops" in log and log.count("oops") == 1
    assert info == "- Page URL: http://example.com/\n- Page Title: Home"
    web.ok("browser_navigate", url="http://example.com/second")
    assert web.call("browser_console_messages")["content"][0]["text"] == ""


def test_network_requests_since_navigation(web: BrowserBox) -> None:
    """The page itself, what it fetched, and how it went."""
    web.ok("browser_navigate", url="http://example.com/second")
    web.ok("browser_navigate", url="http://example.com/")
    log, info = (item["text"] for item in web.call("browser_network_requests")["content"])
    lines = log.splitlines()
    assert lines[0] == "[GET] http://example.com/ => [200] OK"
    assert "[GET] http://example.com/data => [200] OK" in lines
    assert "second" not in log
    assert info.startswith("- Page URL: http://example.com/")
    web.ok("browser_navigate", url="http://example.com/missing")
    assert web.call("browser_network_requests")["content"][0]["text"].splitlines()[0] == (
        "[GET] http://example.com/missing => [404] Not Found"
    )
