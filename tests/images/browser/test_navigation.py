"""Addresses, history, tabs, size and waiting: what the tools did is read from the pages by somebody else."""

from __future__ import annotations

import time

import pytest
from browser_box import BrowserBox, Witness, text_of
from managers import eventually
from real_box import network_gateway
from web_site import Site

pytestmark = pytest.mark.docker


def test_navigate_answers_with_the_page_and_its_snapshot(web: BrowserBox, seen: Witness) -> None:
    """One text item: the code, the address, the title and the tree with refs."""
    result = web.call("browser_navigate", url="https://example.com/")
    (item,) = result["content"]
    assert (result["isError"], result["meta"]) == (False, None)
    text = item["text"]
    assert text.startswith('- Ran Playwright code:\n```python\nawait page.goto("https://example.com/")\n```\n')
    assert "- Page URL: https://example.com/\n- Page Title: Home\n- Page Snapshot\n```yaml\n" in text
    assert 'heading "Home" [level=1] [ref=' in text
    page = seen.page("example.com")
    assert (page.url, page.title()) == ("https://example.com/", "Home")


def test_navigate_is_quick(web: BrowserBox) -> None:
    """A page of the local network with its snapshot takes 200 ms at most, once warm."""
    web.ok("browser_navigate", url="http://example.com/second")
    took = []
    for path in ("/form", "/second", "/leaving", "/colours", "/form"):
        began = time.perf_counter()
        web.ok("browser_navigate", url=f"http://example.com{path}")
        took.append(time.perf_counter() - began)
    assert sorted(took)[2] < 0.4, took  # twice the target: other tests may run beside this one


def test_an_address_may_lack_its_scheme(web: BrowserBox, seen: Witness) -> None:
    """As in a browser's address bar."""
    web.ok("browser_navigate", url="example.com/second")
    assert seen.page("example.com").url == "https://example.com/second"


def test_back_and_forward(web: BrowserBox, seen: Witness) -> None:
    """They move in the page's own history, and say so where it ends."""
    web.ok("browser_navigate", url="http://example.com/")
    web.ok("browser_navigate", url="http://example.com/second")
    began = time.monotonic()
    assert "- Page Title: Home" in web.ok("browser_navigate_back")
    assert seen.page("example.com").title() == "Home"
    assert "- Page Title: Second" in web.ok("browser_navigate_forward")
    assert time.monotonic() - began < 4, "no event of a page that was loaded before is waited for in vain"
    assert seen.page("example.com").title() == "Second"
    assert "no page to go forward to" in web.error("browser_navigate_forward")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://nowhere.example.com/", "could not be resolved (DNS)"),
        ("http://127.0.0.1:8009/", "connection was refused"),
        ("http://127.0.0.1:1/", "refuses this port"),
        ("file:///workspace/not-there.html", "no such file"),
        ("https://", "not an address"),
    ],
)
def test_a_failed_navigation_says_why(web: BrowserBox, url: str, words: str) -> None:
    """In words, with the browser's own code behind."""
    text = web.error("browser_navigate", url=url)
    assert url in text and words in text


def test_an_empty_address_is_none(web: BrowserBox) -> None:
    """The message is about what was given, not about what it would have become."""
    assert web.error("browser_navigate", url="  ").startswith("url is empty")


def test_an_untrusted_certificate_is_a_failure(web: BrowserBox, site: Site) -> None:
    """The site's certificate is not for this name."""
    text = web.error("browser_navigate", url=f"https://{network_gateway()}:{site.https_port}/")
    assert "certificate is not trusted" in text


def test_a_server_that_does_not_answer_ends_in_time(web: BrowserBox) -> None:
    """The call's own time-out counts."""
    began = time.monotonic()
    result = web.call("browser_navigate", within_s=1.5, url="http://example.com/held")
    assert result["isError"] and "no answer in time" in text_of(result)
    assert time.monotonic() - began < 2.5


def test_close_is_no_error_and_navigate_opens_again(web: BrowserBox, seen: Witness) -> None:
    """A window stays for the person; tools that need a page say how to get one."""
    web.ok("browser_navigate", url="http://example.com/")
    assert "No open pages available" in web.ok("browser_close")
    eventually(lambda: seen.urls() == ["about:blank"], 3, "one blank page is left")
    assert "No open pages available" in web.ok("browser_tab_list")
    assert "browser_navigate" in web.error("browser_press_key", key="a")
    web.ok("browser_navigate", url="http://example.com/second")
    assert seen.urls() == ["http://example.com/second"]


def test_resize_changes_the_page(web: BrowserBox, seen: Witness) -> None:
    """To the pixel, whatever the size of the window."""
    web.ok("browser_navigate", url="http://example.com/second")
    web.ok("browser_resize", width=640, height=480)
    seen.see("[innerWidth, innerHeight]", [640, 480], "example.com")
    assert "at most 8192 pixels" in web.error("browser_resize", width=100_000, height=10)


def test_tabs_of_tools_pages_and_people(web: BrowserBox, seen: Witness) -> None:
    """All are listed, counted from 1, oldest first; the tools stay on theirs until told otherwise."""
    web.ok("browser_navigate", url="http://example.com/dialogs")
    web.ok("browser_tab_new", url="http://example.org/second")
    seen.context.new_page().goto("http://shop.example.com/form")  # as a person would
    web.ok("browser_tab_select", index=1)
    web.ok("browser_click", element="Open", ref=web.ref('button "Open"'))
    eventually(lambda: len(seen.pages()) == 4, 3, "four pages are open")
    assert web.ok("browser_tab_list") == (
        "### Open tabs\n- 1: (current) [Dialogs] (http://example.com/dialogs)\n"
        "- 2: [Second] (http://example.org/second)\n- 3: [Form] (http://shop.example.com/form)\n"
        "- 4: [Second] (http://example.com/second)"
    )
    assert "- Page URL: http://shop.example.com/form" in web.ok("browser_tab_select", index=3)
    assert "http://shop.example.com/form" not in web.ok("browser_tab_close")
    assert set(seen.urls()) == {
        "http://example.com/dialogs",
        "http://example.org/second",
        "http://example.com/second",
    }
    web.ok("browser_tab_close", index=1)
    assert "http://example.com/dialogs" not in set(seen.urls())
    assert "tab 9 does not exist; 2 open" in web.error("browser_tab_select", index=9)


def test_a_new_tab_may_be_blank(web: BrowserBox, seen: Witness) -> None:
    """Without an address, or with an empty one."""
    web.ok("browser_navigate", url="http://example.com/second")
    assert "(current) [] (about:blank)" in web.ok("browser_tab_new", url="")
    assert sorted(seen.urls()) == ["about:blank", "http://example.com/second"]


def test_the_last_tab_leaves_a_window(web: BrowserBox, seen: Witness) -> None:
    """Closing the only tab is closing."""
    web.ok("browser_navigate", url="http://example.com/second")
    assert "No open pages available" in web.ok("browser_tab_close", index=None)
    assert seen.urls() == ["about:blank"]


def test_a_window_that_a_person_closed_is_replaced(web: BrowserBox, seen: Witness) -> None:
    """The browser does not end with its last window."""
    web.ok("browser_navigate", url="http://example.com/second")
    seen.page("example.com").close()
    eventually(lambda: seen.urls() == ["about:blank"], 3, "one blank page is left")
    assert "No open pages available" in web.ok("browser_tab_list")
    assert "- Page Title: Home" in web.ok("browser_navigate", url="http://example.com/")


def test_wait_for_any_of_its_arguments(web: BrowserBox) -> None:
    """Each alone, nulls for the others, in both spellings."""
    web.ok("browser_navigate", url="http://example.com/waiting")
    assert "paragraph [ref" not in web.ok("browser_wait_for", time=None, text=None, text_gone="Old news")
    assert ": Fresh news" in web.ok("browser_wait_for", text="Fresh news")
    web.ok("browser_wait_for", textGone="Old news", text="Fresh news")
    began = time.monotonic()
    web.ok("browser_wait_for", time=0.4)
    assert 0.4 <= time.monotonic() - began < 1.4
    assert "time (seconds), text or textGone" in web.error("browser_wait_for")
    result = web.call("browser_wait_for", within_s=1, text="Never")
    assert result["isError"] and "'Never' is not there after 1 s" in text_of(result)


def test_a_download_is_named_and_saved(web: BrowserBox) -> None:
    """An address that is a file is no page, and no failure either."""
    web.ok("browser_navigate", url="http://example.com/downloads")
    said = web.ok("browser_navigate", url="http://example.com/file")
    assert "Downloaded file report.bin to /workspace/report.bin" in said
    assert web.http.get("/files/content", params={"path": "report.bin"}).content == b"contents of the file"
    assert "report.bin" not in web.ok("browser_snapshot")
