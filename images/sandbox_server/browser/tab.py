"""One tab: its page, what the page said, the last snapshot that was handed out, and what blocks it.

Not here: which tab is the current one (`tabs`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Dialog, Error, FileChooser, Frame, Locator, Page

from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.log import PageLog

BLANK = "about:blank"
NEWS_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Modal:
    """What a page waits for, and which tool gives it."""

    tab: Tab
    subject: Dialog | FileChooser
    tool: str

    def __str__(self) -> str:
        if isinstance(self.subject, FileChooser):
            what = "file chooser"
        else:
            what = f'"{self.subject.type}" dialog with message "{self.subject.message}"'
        return f'[{what}]: can be handled by the "{self.tool}" tool'


class Tab:
    """A page with what the tools need to know about it."""

    def __init__(self, page: Page, modals_changed: Callable[[], None]) -> None:
        """Listen to this page."""
        self.page = page
        self.log = PageLog(page)
        self.modal: Modal | None = None
        self.crashed = False
        self.gone = asyncio.Event()
        self._snapshot = ""
        self._modals_changed = modals_changed
        page.on("dialog", lambda dialog: self._block(Modal(self, dialog, "browser_handle_dialog")))
        page.on("filechooser", lambda chooser: self._block(Modal(self, chooser, "browser_file_upload")))
        page.on("framenavigated", self._on_navigated)
        self._watching = asyncio.create_task(self._watch_dialogs(), name="dialogs of a page")

    async def snapshot(self, timeout_ms: float) -> str:
        """Take the tree of the page, with a ref for each element, as YAML."""
        self._snapshot = await self.page.aria_snapshot(mode="ai", timeout=timeout_ms)
        return self._snapshot

    async def element(self, ref: str) -> Locator:
        """Return the element that a ref of the last snapshot names.

        Raises:
            ToolFailed: it names none, or the element has gone.
        """
        cure = "take a browser_snapshot and use a ref from it"
        if not re.fullmatch(r"[\w-]+", ref) or f"[ref={ref}]" not in self._snapshot:
            raise ToolFailed(f"ref {ref!r} is not in the last snapshot of the current page; {cure}")
        locator = self.page.locator(f"aria-ref={ref}")
        try:
            present = await locator.count()
        except Error as e:  # the ref lies in a frame that has gone
            raise ToolFailed(f"ref {ref!r} is stale, its frame has gone; {cure}") from e
        if not present:
            raise ToolFailed(f"ref {ref!r} is stale, its element has left the page; {cure}")
        return locator

    def unblock(self) -> Modal | None:
        """Forget what blocks the page, and return it."""
        modal, self.modal = self.modal, None
        self._modals_changed()
        return modal

    def crash(self) -> None:
        """Note that the page's process has ended; nothing can be asked of it any more."""
        self.crashed = True
        self.unblock()

    def close(self) -> None:
        """Note that it was closed, and stop listening."""
        self.gone.set()
        self._watching.cancel()
        self.unblock()

    async def has_gone(self) -> bool:
        """Tell whether it was closed; the news of that may come right behind the signs of it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.gone.wait(), NEWS_S)
        return self.gone.is_set()

    def _on_navigated(self, frame: Frame) -> None:
        if frame == self.page.main_frame and self.modal is not None and isinstance(self.modal.subject, FileChooser):
            self.unblock()  # whoever asked for files has gone

    def _block(self, modal: Modal) -> None:
        self.modal = modal
        self._modals_changed()

    async def _watch_dialogs(self) -> None:
        """Notice that a person answered a dialog on the desktop: Playwright does not tell."""
        with contextlib.suppress(Error):  # the page was closed before it was watched
            session = await self.page.context.new_cdp_session(self.page)
            session.on("Page.javascriptDialogClosed", self._on_dialog_closed)
            await session.send("Page.enable")

    def _on_dialog_closed(self, _: dict[str, Any]) -> None:
        if self.modal is not None and isinstance(self.modal.subject, Dialog):
            self.unblock()
