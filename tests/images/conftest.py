"""Boxes for the tests of the images; see `tests/support` for what they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser_box import NAMES, BrowserBox, Witness, browser_box, witness
from gui_box import GuiBox, gui_box
from pages_for_tools import PAGES
from playwright.sync_api import sync_playwright
from real_box import RealBox, real_box
from web_site import Site, web_site


@pytest.fixture(scope="session")
def shared_box() -> Iterator[RealBox]:
    """One base box for all tests that leave it as they found it."""
    with real_box() as box:
        yield box


@pytest.fixture
def fresh_box() -> Iterator[RealBox]:
    """A base box for one test alone."""
    with real_box() as box:
        yield box


@pytest.fixture(scope="module")
def gui() -> Iterator[GuiBox]:
    """One box with a desktop for the tests of a module."""
    with gui_box() as box:
        yield box


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The site that boxes find under the names of `NAMES`."""
    with web_site(PAGES, NAMES) as running:
        yield running


@pytest.fixture(scope="session")
def web_box(site: Site) -> Iterator[BrowserBox]:
    """One box for all tests that leave it as they found it."""
    with browser_box(site) as box:
        yield box


@pytest.fixture
def web(web_box: BrowserBox) -> Iterator[BrowserBox]:
    """The shared box, with one blank page in its browser."""
    for modal in range(3):  # a failed test may have left a dialog, and an alert may follow it
        if "Modal state" not in web_box.ok("browser_tab_list") and not modal:
            break
        web_box.call("browser_handle_dialog", accept=True)
        web_box.call("browser_file_upload", paths=[])
    web_box.ok("browser_close")
    yield web_box


@pytest.fixture(scope="module")
def seen(web_box: BrowserBox) -> Iterator[Witness]:
    """Somebody independent who looks at the pages of the shared box."""
    with sync_playwright() as playwright, witness(playwright, web_box) as looking:
        yield looking
