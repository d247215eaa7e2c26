"""Waiting until an action has had its effect: as long as needed, bounded, and never a fixed time.

A click may navigate, fetch and repaint. First two frames are awaited, so that what the page's own code does at once
is done; then a navigation that began; then the requests that the action set off.
"""

from __future__ import annotations

import asyncio
import contextlib

from playwright.async_api import Error, Page

from sandbox_server.browser.log import Exchange
from sandbox_server.browser.tab import Tab

LOAD_MS = 5_000  # a page that loads for longer is shown as far as it came
FETCH_S = 0.5
FRAMES_S = 0.25

TWO_FRAMES = """() => new Promise(done => {
    setTimeout(done, 100);
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
})"""
FETCHES = {"fetch", "xhr", "script", "document"}


async def settle(tab: Tab, before: list[Exchange]) -> None:
    """Wait for what an action set off; `before` is what was under way when it began."""
    await _frames(tab.page)
    if tab.log.arriving is not None:
        await loaded(tab)
    elif await _fetched(tab, before):
        await _frames(tab.page)


async def loaded(tab: Tab) -> None:
    """Wait until the new document and what it fetched at once are there."""
    with contextlib.suppress(Error):  # it takes longer, or the page has gone: the report says what is there
        await tab.page.wait_for_load_state("domcontentloaded", timeout=LOAD_MS)
        await tab.page.wait_for_load_state("load", timeout=LOAD_MS)
        await _fetched(tab, [])


async def _frames(page: Page) -> None:
    with contextlib.suppress(Error, TimeoutError):  # the document was replaced meanwhile, or its thread is busy
        await asyncio.wait_for(page.evaluate(TWO_FRAMES), FRAMES_S)


async def _fetched(tab: Tab, before: list[Exchange]) -> bool:
    started = [e for e in tab.log.under_way() if e.kind in FETCHES and e not in before]
    if not started:
        return False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FETCH_S):
            await asyncio.gather(*(exchange.done.wait() for exchange in started))
    return True
