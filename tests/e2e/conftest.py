"""Real managers (`tests/support/managers.py`), and a person's browser, for whole-system tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from managers import Server
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="module")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Make managers that do not know of each other; all are ended after the module's tests."""
    made: list[Server] = []

    def make(**environment: str) -> Server:
        folder = tmp_path_factory.mktemp("manager")
        server = Server(folder, folder / "server.log", **environment)
        made.append(server)
        return server.start()

    yield make
    for server in made:
        server.end()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium on the host: the person's browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()
