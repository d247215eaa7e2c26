"""One call of a browser tool: what it may use, how long it has, and how an action becomes an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Locator

from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.report import modal_state, report
from sandbox_server.browser.settle import settle
from sandbox_server.browser.tab import Tab
from sandbox_server.browser.tabs import Tabs
from sandbox_server.parts import Arguments, Result

ACTION_MS = 5_000.0  # an element that cannot be acted on by then never can; Playwright then says why
MARGIN_S = 0.3  # Playwright's own reason for a time-out is better than ours, so it gets to speak first


@dataclass(frozen=True, slots=True)
class Call:
    """One call."""

    tabs: Tabs
    workspace: Path
    arguments: Arguments
    """With the names of the schema, and only those that were given a value."""
    timeout_s: float | None
    """What the caller asked for, if anything."""
    deadline: float
    """On the event loop's clock."""
    notes: str = ""

    def remaining_ms(self) -> float:
        """Return how long Playwright may take."""
        return max(1.0, (self.deadline - asyncio.get_running_loop().time() - MARGIN_S) * 1000)

    def action_ms(self) -> float:
        """Return how long to wait until an element can be acted on."""
        return self.remaining_ms() if self.timeout_s is not None else min(ACTION_MS, self.remaining_ms())

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument."""
        return self.arguments.get(name, default)

    async def element(self, ref: str) -> tuple[Locator, str]:
        """Return the element of a ref, and how code would find it."""
        locator = await self.tabs.usable().element(ref)
        return locator, f"page.{await locator.normalize()}"

    async def act(self, code: str, work: Callable[[Tab], Awaitable[object]], *, snapshot: bool = True) -> Result:
        """Do something with the current page, wait for its effect, and report."""
        tab = self.tabs.usable()
        await self.tabs.show(tab)
        before = tab.log.under_way()

        async def all_of_it() -> None:
            await work(tab)
            await settle(tab, before)

        await self.tabs.unless_blocked(all_of_it())
        return await self.report(code, snapshot=snapshot)

    async def report(self, code: str | None, *, snapshot: bool = True) -> Result:
        """Say how things are now."""
        return await report(self.tabs, code, snapshot=snapshot, notes=self.notes)

    def refuse_if_blocked(self, tool: str) -> None:
        """Raise ToolFailed while a dialog or a file chooser is open."""
        if self.tabs.modals():
            raise ToolFailed(f'Tool "{tool}" has to wait until the modal state is handled.\n{modal_state(self.tabs)}')
