"""The tools' hold on the running Chromium: Playwright's driver, attached by CDP to the browser that people see.

One session lasts as long as both processes do; whoever needs another makes another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from playwright.async_api import Browser, Error, Playwright, async_playwright

from sandbox_server.browser.actions import ACTIONS
from sandbox_server.browser.call import Call
from sandbox_server.browser.cdp import Cdp, CdpError
from sandbox_server.browser.downloads import Downloads
from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.specs import Spec
from sandbox_server.browser.tabs import Tabs
from sandbox_server.parts import Arguments, PartFailed, Result

ATTACH_MS = 20_000.0
NEWS_S = 0.3


async def start_driver() -> Playwright:
    """Start Playwright's driver, a process of its own.

    Raises:
        PartFailed: it does not start.
    """
    try:
        return await async_playwright().start()
    except Exception as e:
        raise PartFailed(f"Playwright's driver does not start: {e}") from e


class Session:
    """One attachment."""

    def __init__(self, browser: Browser, tabs: Tabs, workspace: Path, endpoint: str, cdp: Cdp) -> None:
        """Use `attach`."""
        self.endpoint = endpoint
        self.cdp = cdp
        self.tabs = tabs
        self._context = browser.contexts[0]
        self._workspace = workspace
        self._lost = asyncio.Event()
        browser.on("disconnected", lambda _: self._lost.set())
        self._driver = os.pidfd_open(_driver_pid())  # when its driver dies, Playwright tells nobody
        asyncio.get_running_loop().add_reader(self._driver, self._lost.set)

    @classmethod
    async def attach(cls, driver: Playwright, endpoint: str, cdp: Cdp, workspace: Path) -> Session:
        """Attach to the browser at a CDP address, and take one snapshot so that the first call finds all warm.

        Args:
            driver: Playwright's.
            endpoint: The address.
            cdp: A connection of the server's own to the same browser.
            workspace: For files.

        Raises:
            PartFailed: the browser does not answer.
        """
        try:
            browser = await driver.chromium.connect_over_cdp(endpoint, is_local=True, timeout=ATTACH_MS)
            context = browser.contexts[0]
            page = context.pages[0] if context.pages else await context.new_page()
            downloads = Downloads(workspace, cdp)
            await downloads.begin()  # after Playwright, which says otherwise when it attaches
            await page.aria_snapshot(mode="ai")
        except (Error, CdpError, ConnectionError) as e:
            raise PartFailed(f"Chromium does not answer by CDP: {e}") from e
        return cls(browser, Tabs(context, downloads), workspace, endpoint, cdp)

    async def lost(self) -> None:
        """Wait until the connection has gone; the session cannot be used any more."""
        try:
            await self._lost.wait()
        finally:
            asyncio.get_running_loop().remove_reader(self._driver)
            os.close(self._driver)

    async def run(
        self, spec: Spec, arguments: Arguments, timeout_s: float | None, deadline: float, notes: str
    ) -> Result:
        """Do what a tool does.

        Raises:
            ToolFailed: it cannot be done; says why.
            ConnectionError: the browser went away meanwhile.
        """
        call = Call(self.tabs, self._workspace, arguments, timeout_s, deadline, notes)
        if not spec.while_blocked:
            call.refuse_if_blocked(spec.name)
        try:
            answer = await ACTIONS[spec.name](call)
        except (Error, ToolFailed) as e:
            if await self._is_lost(e):
                raise ConnectionError("the browser ended") from e
            if isinstance(e, ToolFailed):
                raise
            raise ToolFailed(f"{spec.name} failed: {e.message}") from e
        if await self._is_lost():
            raise ConnectionError("the browser ended")
        return answer

    async def _is_lost(self, error: Exception | None = None) -> bool:
        """Tell whether the browser has ended; the news of that may come right behind the signs of it.

        These are an error that names it, and a browser without a page: a window always stays open.
        """
        if "closed" in str(error) or "crashed" in str(error) or not self._context.pages:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), NEWS_S)
        return self._lost.is_set()


def _driver_pid() -> int:
    """Find the process of the driver among our children: Playwright does not name it."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # others end while we look
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"playwright/driver/node" in status.with_name("cmdline").read_bytes():
                return int(status.parent.name)
    raise PartFailed("Playwright's driver has ended")
