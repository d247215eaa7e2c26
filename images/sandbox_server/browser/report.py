"""What a browser tool answers: the code that was run, the tabs, the page, and its snapshot.

The layout is what agents know from Playwright's MCP server; the code is Python's.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from playwright.async_api import Error

from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.tab import BLANK, Tab
from sandbox_server.browser.tabs import NONE_OPEN, Tabs
from sandbox_server.parts import Result, result, text

SNAPSHOT_MS = 5_000.0
TITLE_S = 1.0  # one tab that is stuck must not hold up what is said about the others


def quoted(value: str) -> str:
    """Write a string as a Python literal with double quotes."""
    return json.dumps(value, ensure_ascii=False)


def ran(code: str) -> str:
    """Say what was done, as code."""
    return f"- Ran Playwright code:\n```python\n{code}\n```\n"


async def tab_list(tabs: Tabs) -> str:
    """List the open tabs, counted from 1."""
    open_tabs = tabs.open
    if not open_tabs:
        return NONE_OPEN
    current = tabs.current
    titles = await asyncio.gather(*(_title(tab) for tab in open_tabs))
    lines = [
        f"- {number}: {'(current) ' if tab is current else ''}[{title}] ({tab.page.url})"
        for number, (tab, title) in enumerate(zip(open_tabs, titles, strict=True), start=1)
    ]
    return "\n".join(["### Open tabs", *lines])


def modal_state(tabs: Tabs) -> str:
    """Say what blocks pages, and what to do about it."""
    lines = [f"- {modal}" for modal in tabs.modals()] or ["- There is no modal state present"]
    return "\n".join(["### Modal state", *lines])


async def page_info(tab: Tab) -> str:
    """Say where a tab is."""
    return f"- Page URL: {tab.page.url}\n- Page Title: {await _title(tab)}"


async def report(
    tabs: Tabs, code: str | None, *, snapshot: bool = True, notes: str = "", first: tuple[dict[str, Any], ...] = ()
) -> Result:
    """Make the answer of a tool that acted; `first` are items that come before the text."""
    lines = [ran(code)] if code else []
    if notes:
        lines += [notes, ""]
    if downloads := tabs.downloads.news():
        lines += ["### Downloads", *downloads, ""]
    lines.append(await tabs.unless_blocked(_page(tabs, snapshot)) or modal_state(tabs))
    return result(*first, text("\n".join(lines)))


async def _page(tabs: Tabs, snapshot: bool) -> str:
    if tabs.modals():
        return modal_state(tabs)
    open_tabs = tabs.open
    if not open_tabs:
        return NONE_OPEN
    tab = tabs.current
    lines = [await tab_list(tabs), "", "### Current tab"] if len(open_tabs) > 1 else []
    if not snapshot:
        return "\n".join([*lines, await page_info(tab)])
    info, tree = await asyncio.gather(page_info(tab), _snapshot(tab))
    return "\n".join([*lines, info, "- Page Snapshot", "```yaml", tree, "```"])


async def _snapshot(tab: Tab) -> str:
    try:
        return await tab.snapshot(SNAPSHOT_MS)
    except Error as e:
        if tab.crashed:
            raise ToolFailed("the page has crashed; browser_navigate opens it again") from e
        raise


async def _title(tab: Tab) -> str:
    if tab.page.url == BLANK or tab.modal is not None or tab.crashed:
        return ""  # the page cannot answer now, or has none
    try:
        return await asyncio.wait_for(tab.page.title(), TITLE_S)
    except TimeoutError:
        return "(page does not respond)"
    except Error:
        return ""  # it is being replaced by another document
