"""All tabs of the browser, whoever opened them, and which one the tools act on.

A window always stays open for the person at the desktop: before the last page goes, a blank one comes. That one is no
tab for the tools until somebody uses it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from playwright.async_api import BrowserContext, Error, Page

from sandbox_server.browser.downloads import Downloads
from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.tab import BLANK, Modal, Tab

T = TypeVar("T")
GONE_S = 2.0
NONE_OPEN = 'No open pages available. Use the "browser_navigate" tool to navigate to a page first.'


class Tabs:
    """The open tabs, oldest first."""

    def __init__(self, context: BrowserContext, downloads: Downloads) -> None:
        """Adopt the pages of this context, now and later."""
        self.downloads = downloads
        self._context = context
        self._tabs: list[Tab] = []
        self._current: Tab | None = None
        self._idle: Tab | None = None
        self._blocked = asyncio.Event()
        self._behind: set[asyncio.Task[Any]] = set()
        context.on("page", self._add)
        for page in context.pages:
            self._add(page)

    @property
    def open(self) -> list[Tab]:
        """Return the tabs that tools see."""
        return [tab for tab in self._tabs if tab is not self._idle or tab.page.url != BLANK]

    @property
    def current(self) -> Tab:
        """Return the tab that tools act on.

        Raises:
            ToolFailed: none is open.
        """
        tabs = self.open
        if not tabs:
            raise ToolFailed(NONE_OPEN)
        if self._current not in tabs:
            self._current = tabs[-1]
        assert self._current is not None
        return self._current

    def usable(self) -> Tab:
        """Return the current tab for an action.

        Raises:
            ToolFailed: none is open, or its page has crashed.
        """
        if self.current.crashed:
            raise ToolFailed("the page has crashed; browser_navigate opens it again")
        return self.current

    def at(self, index: int) -> Tab:
        """Return the tab with this number, counted from 1.

        Raises:
            ToolFailed: there is none.
        """
        tabs = self.open
        if not 1 <= index <= len(tabs):
            raise ToolFailed(f"tab {index} does not exist; {len(tabs)} open, see browser_tab_list")
        return tabs[index - 1]

    async def ensure(self) -> Tab:
        """Return the current tab; open one if none is."""
        tabs = self.open
        if not tabs:
            return await self.new()
        if self._current in tabs and self._current is not None and self._current.crashed:
            crashed = self._current
            await self.new()
            await crashed.page.close()
        return self.current

    async def new(self) -> Tab:
        """Open a tab and make it the current one."""
        if self._idle is not None and self._idle.page.url == BLANK:
            self._current, self._idle = self._idle, None
            return self._current
        page = await self._context.new_page()
        self._current = next(tab for tab in self._tabs if tab.page == page)
        return self._current

    async def select(self, tab: Tab) -> None:
        """Make a tab the current one and show it."""
        self._current = tab
        await tab.page.bring_to_front()

    async def show(self, tab: Tab) -> None:
        """Bring a tab to the front if another may hide it."""
        if len(self._tabs) > 1:
            await tab.page.bring_to_front()

    async def close(self, tabs: list[Tab]) -> None:
        """Close tabs; the next one becomes current, and a blank window stays after the last."""
        if self._idle is None and not set(self.open) - set(tabs):
            page = await self._context.new_page()
            self._idle = next(tab for tab in self._tabs if tab.page == page)
        if self._current in tabs:
            place = self.open.index(self._current)
            rest = [tab for tab in self.open if tab not in tabs and tab is not self._idle]
            self._current = rest[min(place, len(rest) - 1)] if rest else None
        for tab in tabs:
            await tab.page.close()
        with contextlib.suppress(TimeoutError):  # one whose address never answered may take its time to go
            async with asyncio.timeout(GONE_S):
                await asyncio.gather(*(tab.gone.wait() for tab in tabs))

    def modals(self) -> list[Modal]:
        """Return what blocks pages, of all tabs."""
        return [tab.modal for tab in self._tabs if tab.modal is not None]

    async def unless_blocked(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do some work; None as soon as a dialog or a file chooser opens, and then the work goes on behind it."""
        task = asyncio.create_task(work)
        blocked = asyncio.create_task(self._blocked.wait())
        try:
            await asyncio.wait({task, blocked}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            blocked.cancel()
        if task.done():
            return task.result()
        self._behind.add(task)
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # looked at: see catch_up
        return None

    async def catch_up(self, timeout_s: float) -> None:
        """Wait, not for long, until the work behind answered dialogs is done."""
        waiting, self._behind = self._behind, set()
        if not waiting:
            return
        done, late = await asyncio.wait(waiting, timeout=timeout_s)
        for task in late:
            task.cancel()
        # What failed behind a dialog failed because of the answer; the snapshot that follows shows what came of it.
        await asyncio.gather(*done, *late, return_exceptions=True)

    def _add(self, page: Page) -> None:
        tab = Tab(page, self._on_modals)
        self._tabs.append(tab)
        page.on("close", lambda _: self._remove(tab))
        page.on("crash", lambda _: tab.crash())

    def _remove(self, tab: Tab) -> None:
        tab.close()
        self._tabs.remove(tab)
        if tab is self._idle:
            self._idle = None
        if not self._tabs:
            task = asyncio.create_task(self._stay_open(), name="blank window")
            self._behind.add(task)
            task.add_done_callback(self._behind.discard)

    async def _stay_open(self) -> None:
        try:
            page = await self._context.new_page()
        except Error:
            return  # the browser itself has ended
        self._idle = next((tab for tab in self._tabs if tab.page == page), None)

    def _on_modals(self) -> None:
        if self.modals():
            self._blocked.set()
        else:
            self._blocked.clear()
