"""Browser tools that decide what is shown: addresses, history, tabs, size, and waiting for something to appear."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Literal

from playwright.async_api import Error, ViewportSize
from playwright.async_api import TimeoutError as NotInTime

from sandbox_server.browser.call import Call
from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.report import quoted, report, tab_list
from sandbox_server.browser.settle import loaded
from sandbox_server.browser.tab import Tab
from sandbox_server.parts import Result, result, text

CAUSES = {
    "ERR_NAME_NOT_RESOLVED": "the host name could not be resolved (DNS)",
    "ERR_CONNECTION_REFUSED": "the connection was refused: nothing listens there",
    "ERR_CONNECTION_RESET": "the server reset the connection",
    "ERR_CONNECTION_CLOSED": "the server closed the connection",
    "ERR_EMPTY_RESPONSE": "the server closed the connection without an answer",
    "ERR_CONNECTION_TIMED_OUT": "the connection timed out",
    "ERR_TIMED_OUT": "the connection timed out",
    "ERR_ADDRESS_UNREACHABLE": "the address cannot be reached",
    "ERR_INTERNET_DISCONNECTED": "the sandbox has no network",
    "ERR_PROXY_CONNECTION_FAILED": "the proxy cannot be reached",
    "ERR_CERT_": "the server's certificate is not trusted",
    "ERR_SSL_": "TLS with the server failed",
    "ERR_TOO_MANY_REDIRECTS": "the server redirects in circles",
    "ERR_UNSAFE_PORT": "the browser refuses this port",
    "ERR_FILE_NOT_FOUND": "there is no such file",
    "ERR_ACCESS_DENIED": "access was denied",
    "ERR_INVALID_URL": "this is not an address",
    "Cannot navigate to invalid URL": "this is not an address",
}
DOWNLOAD_S = 1.0  # a larger file is named as under way
ERROR_PAGE_MS = 500
TRIES = 3
SIDE_MAX = 8192  # pixels: a picture of the largest page still fits into the memory of a box


async def navigate(call: Call) -> Result:
    """Open an address in the current tab."""
    url = completed(call.arguments["url"])
    for left in reversed(range(TRIES)):
        tab = await call.tabs.ensure()
        try:
            await _show(call, tab, url)
            break
        except (Error, ToolFailed) as e:
            # A person, or a program that drives the browser too, may close it at this moment; the address is wanted.
            if not left or "closed" not in str(e) or not await tab.has_gone():
                raise
    return await call.report(f"await page.goto({quoted(url)})")


async def navigate_back(call: Call) -> Result:
    """Go one step back in the history."""
    return await call.act("await page.go_back()", lambda tab: _travel(call, tab, -1))


async def navigate_forward(call: Call) -> Result:
    """Go one step forward in the history."""
    return await call.act("await page.go_forward()", lambda tab: _travel(call, tab, 1))


async def close(call: Call) -> Result:
    """Close every tab."""
    await call.tabs.close(call.tabs.open)
    return await call.report("await page.close()", snapshot=False)


async def resize(call: Call) -> Result:
    """Give the page another size."""
    width, height = call.arguments["width"], call.arguments["height"]
    if max(width, height) > SIDE_MAX:
        raise ToolFailed(f"{width:g} x {height:g} is too large: a page has at most {SIDE_MAX} pixels in each direction")
    size: ViewportSize = {"width": int(width), "height": int(height)}
    code = f"await page.set_viewport_size({{'width': {size['width']}, 'height': {size['height']}}})"
    return await call.act(code, lambda tab: tab.page.set_viewport_size(size), snapshot=False)


async def wait_for(call: Call) -> Result:
    """Wait for a time, for a text to appear, or for one to go."""
    seconds, shown, gone = call.get("time"), call.get("text"), call.get("textGone")
    if seconds is None and not shown and not gone:
        raise ToolFailed("say what to wait for: time (seconds), text or textGone")
    code = []
    if seconds is not None:
        code.append(f"await asyncio.sleep({seconds:g})")
    if gone:
        code.append(f'await page.get_by_text({quoted(gone)}).first.wait_for(state="hidden")')
    if shown:
        code.append(f'await page.get_by_text({quoted(shown)}).first.wait_for(state="visible")')
    return await call.act("\n".join(code), lambda tab: _wait(call, tab, seconds, shown, gone))


async def tabs_list(call: Call) -> Result:
    """List the tabs."""
    return result(text(await tab_list(call.tabs)))


async def tab_new(call: Call) -> Result:
    """Open a tab, and an address in it."""
    tab = await call.tabs.new()
    code = "page = await context.new_page()"
    if url := call.get("url"):
        url = completed(url)
        code += f"\nawait page.goto({quoted(url)})"
        await call.tabs.unless_blocked(_go(call, tab, url))
    return await call.report(code)


async def tab_select(call: Call) -> Result:
    """Make another tab the current one."""
    await call.tabs.select(call.tabs.at(int(call.arguments["index"])))
    return await call.report("await page.bring_to_front()")


async def tab_close(call: Call) -> Result:
    """Close a tab."""
    index = call.get("index")
    await call.tabs.close([call.tabs.current if index is None else call.tabs.at(int(index))])
    return await report(call.tabs, "await page.close()", notes=call.notes)


def completed(url: str) -> str:
    """Add the scheme that a person leaves out.

    Raises:
        ToolFailed: there is nothing to add it to.
    """
    url = url.strip()
    if not url:
        raise ToolFailed("url is empty; give an address, such as https://example.com")
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:(?!\d)", url):
        return url
    local = re.match(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|/|$)", url)
    return f"{'http' if local else 'https'}://{url}"


async def _show(call: Call, tab: Tab, url: str) -> None:
    await call.tabs.show(tab)
    await call.tabs.unless_blocked(_go(call, tab, url))


async def _go(call: Call, tab: Tab, url: str) -> None:
    try:
        await _goto(call, tab, url)
    except Error as e:
        if "Download is starting" in e.message:  # the answer was a file, not a page; the report names it
            return await call.tabs.downloads.arrive(DOWNLOAD_S)
        if "net::" in e.message:
            with contextlib.suppress(Error):  # the page that shows the failure would interrupt the next navigation
                await tab.page.wait_for_url("chrome-error://chromewebdata/", wait_until="commit", timeout=ERROR_PAGE_MS)
        raise ToolFailed(f"Navigation to {url} failed: {cause(e)}") from e
    await loaded(tab)


async def _goto(call: Call, tab: Tab, url: str) -> None:
    """Navigate; what an earlier call gave up waiting for may still come in between, and is overruled."""
    for left in reversed(range(TRIES)):
        try:
            await tab.page.goto(url, wait_until="commit", timeout=call.remaining_ms())
            return
        except Error as e:
            if not left or "is interrupted by another navigation" not in e.message:
                raise
            with contextlib.suppress(Error):  # let what came in between arrive, or it would interrupt the next try, too
                await tab.page.wait_for_event("framenavigated", timeout=ERROR_PAGE_MS)


async def _travel(call: Call, tab: Tab, steps: int) -> None:
    travel = tab.page.go_back if steps < 0 else tab.page.go_forward
    before = tab.page.url
    try:
        response = await travel(wait_until="commit", timeout=call.remaining_ms())
    except Error as e:
        raise ToolFailed(f"Navigation in the history failed: {cause(e)}") from e
    if response is None and tab.page.url == before:
        raise ToolFailed(f"there is no page to go {'back' if steps < 0 else 'forward'} to")
    await loaded(tab)


async def _wait(call: Call, tab: Tab, seconds: float | None, shown: str | None, gone: str | None) -> None:
    if seconds is not None:
        await asyncio.sleep(seconds)
    wishes: list[tuple[str | None, Literal["hidden", "visible"]]] = [(gone, "hidden"), (shown, "visible")]
    for wanted, state in wishes:
        if not wanted:
            continue
        found = tab.page.get_by_text(wanted).filter(visible=True).first
        try:
            await found.wait_for(state=state, timeout=call.remaining_ms())
        except NotInTime as e:
            is_now = "still there" if state == "hidden" else "not there"
            raise ToolFailed(f"the text {wanted!r} is {is_now} after {call.timeout_s or 30:g} s") from e


def cause(error: Error) -> str:
    """Say in words why a navigation failed."""
    first = error.message.splitlines()[0]
    for sign, words in CAUSES.items():
        if sign in first:
            code = re.search(r"net::\w+", first)
            return f"{words} ({code[0]})" if code else words
    if "Timeout" in first:
        return f"no answer in time ({first.removeprefix('Page.goto: ')})"
    return first
