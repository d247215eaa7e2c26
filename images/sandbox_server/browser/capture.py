"""Browser tools that look without touching: snapshot, picture, PDF, console and network."""

from __future__ import annotations

import asyncio
import base64
from typing import Literal

from playwright.async_api import Locator, Page

from sandbox_server.browser.call import Call
from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.paths import default_name, save
from sandbox_server.browser.report import modal_state, page_info, quoted, report
from sandbox_server.parts import Result, image, result, text

JPEG_QUALITY = 50


async def snapshot(call: Call) -> Result:
    """Show the current page as a tree with refs."""
    await call.tabs.ensure()
    return await report(call.tabs, None, notes=call.notes)


async def take_screenshot(call: Call) -> Result:
    """Take a picture of the page or of one element."""
    ref, name = call.get("ref") or "", call.get("filename") or ""
    if bool(ref) != bool(call.get("element")):
        raise ToolFailed("give both element and ref for a picture of one element, or neither for the page")
    tab = call.tabs.usable()
    await call.tabs.show(tab)
    target, code = await call.element(ref) if ref else (tab.page, "page")
    png = call.get("raw", False) or name.lower().endswith(".png")
    taken = await call.tabs.unless_blocked(_picture(target, png, call.remaining_ms()))
    if taken is None:
        return result(text(modal_state(call.tabs)), is_error=True)
    data, options = taken
    notes = [call.notes] if call.notes else []
    if name:
        notes.append(f"Saved as {await asyncio.to_thread(save, call.workspace, name, data)}")
    item = image(base64.b64encode(data).decode(), "image/png" if png else "image/jpeg")
    written = f"await {code}.screenshot({options})"
    return await report(call.tabs, written, snapshot=False, notes="\n".join(notes), first=(item,))


async def pdf_save(call: Call) -> Result:
    """Save the page as PDF."""
    tab = call.tabs.usable()
    name = call.get("filename") or default_name(".pdf")
    data = await call.tabs.unless_blocked(tab.page.pdf())
    if data is None:
        return result(text(modal_state(call.tabs)), is_error=True)
    path = await asyncio.to_thread(save, call.workspace, name, data)
    notes = "\n".join(filter(None, [call.notes, f"Saved page as {path}"]))
    return await report(call.tabs, f"await page.pdf(path={quoted(str(path))})", snapshot=False, notes=notes)


async def console_messages(call: Call) -> Result:
    """Show what the page wrote to its console since it was opened."""
    tab = call.tabs.current
    return result(text("\n".join(tab.log.console)), text(await page_info(tab)))


async def network_requests(call: Call) -> Result:
    """Show what the page asked for since it was opened."""
    tab = call.tabs.current
    return result(text("\n".join(map(str, tab.log.exchanges))), text(await page_info(tab)))


async def _picture(target: Page | Locator, png: bool, timeout_ms: float) -> tuple[bytes, str]:
    kind: Literal["png", "jpeg"] = "png" if png else "jpeg"
    quality = None if png else JPEG_QUALITY
    data = await target.screenshot(type=kind, quality=quality, scale="css", timeout=timeout_ms)
    written = f'type="{kind}", scale="css"' + ("" if png else f", quality={JPEG_QUALITY}")
    return data, written
