"""The browser sandbox: a Chromium that tools drive and a person can watch."""

from __future__ import annotations

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.desktop import DesktopSandboxAsync
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.tools import given
from agentscope_runtime.sandbox.types import SandboxType, ToolResult

BESIDES = 30.0
"""Seconds for what `browser_wait_for` does beside waiting for a time: as much as the tool has by itself."""


@SandboxRegistry.attach(SandboxType.BROWSER)
class BrowserSandboxAsync(DesktopSandboxAsync):
    """A sandbox with a real browser, beside Python cells and shell commands.

    Most tools answer with a snapshot of the page: a tree of its elements in which each has a `[ref=e3]`. Tools that act
    on an element take that `ref`, and a description of the element in words.

    ```python
    async with BrowserSandboxAsync() as box:
        await box.browser_navigate("https://example.com")
        print(await box.get_desktop_url_async())  # watch it
    ```
    """

    async def get_cdp_url_async(self) -> str:
        """Make an address by which a program drives the same browser: Playwright's `connect_over_cdp`, Puppeteer, ….

        It opens once, within a minute; what opened it may stay as long as the sandbox does.
        """
        return (await self._in_hand().do_async(calls.cdp)).url

    # <sync-only>
    # @property
    # def cdp_url(self) -> str:
    #     """An address by which a program drives the browser, once; each look at it makes a new one."""
    #     return self.get_cdp_url()
    # </sync-only>
    # <async-only>
    @property
    def cdp_url(self) -> str:
        """An address by which a program drives the browser, once; `await get_cdp_url_async()` does not block."""
        from agentscope_runtime.sandbox._sync.connection import Connection

        held = self._in_hand()
        with Connection(held.connection.origin) as connection:
            return connection.send(calls.cdp(held.info.sandbox_id)).url

    # </async-only>
    async def browser_navigate(self, url: str) -> ToolResult:
        """Open a web page in the current tab.

        Args:
            url: The address to open.
        """
        return await self.call_tool_async("browser_navigate", {"url": url})

    async def browser_navigate_back(self) -> ToolResult:
        """Go back to the previous page."""
        return await self.call_tool_async("browser_navigate_back")

    async def browser_navigate_forward(self) -> ToolResult:
        """Go forward to the next page."""
        return await self.call_tool_async("browser_navigate_forward")

    async def browser_close(self) -> ToolResult:
        """Close all pages; the next tool that needs one opens a new one."""
        return await self.call_tool_async("browser_close")

    async def browser_resize(self, width: int, height: int) -> ToolResult:
        """Resize the browser window.

        Args:
            width: The new width in pixels.
            height: The new height in pixels.
        """
        return await self.call_tool_async("browser_resize", {"width": width, "height": height})

    async def browser_snapshot(self) -> ToolResult:
        """Take an accessibility snapshot of the page: better than a screenshot to decide what to do next."""
        return await self.call_tool_async("browser_snapshot")

    async def browser_click(self, element: str, ref: str) -> ToolResult:
        """Click an element of the page.

        Args:
            element: The element in words, such as "Sign-in button".
            ref: Its reference from the snapshot, such as "e3".
        """
        return await self.call_tool_async("browser_click", {"element": element, "ref": ref})

    async def browser_hover(self, element: str, ref: str) -> ToolResult:
        """Move the mouse over an element of the page.

        Args:
            element: The element in words.
            ref: Its reference from the snapshot.
        """
        return await self.call_tool_async("browser_hover", {"element": element, "ref": ref})

    async def browser_drag(self, start_element: str, start_ref: str, end_element: str, end_ref: str) -> ToolResult:
        """Drag one element of the page and drop it on another.

        Args:
            start_element: The element to drag, in words.
            start_ref: Its reference from the snapshot.
            end_element: The element to drop it on, in words.
            end_ref: Its reference from the snapshot.
        """
        arguments = given(startElement=start_element, startRef=start_ref, endElement=end_element, endRef=end_ref)
        return await self.call_tool_async("browser_drag", arguments)

    async def browser_type(
        self, element: str, ref: str, text: str, submit: bool = False, slowly: bool = False
    ) -> ToolResult:
        """Type text into an element of the page that can be edited.

        Args:
            element: The element in words.
            ref: Its reference from the snapshot.
            text: The text to type.
            submit: Whether to press Enter after it.
            slowly: Whether to type one character at a time, for pages that react to each key.
        """
        arguments = {"element": element, "ref": ref, "text": text, "submit": submit, "slowly": slowly}
        return await self.call_tool_async("browser_type", arguments)

    async def browser_select_option(self, element: str, ref: str, values: list[str]) -> ToolResult:
        """Select options of a drop-down list.

        Args:
            element: The list in words.
            ref: Its reference from the snapshot.
            values: The options to select, one or several.
        """
        return await self.call_tool_async("browser_select_option", {"element": element, "ref": ref, "values": values})

    async def browser_press_key(self, key: str) -> ToolResult:
        """Press a key.

        Args:
            key: The key's name, such as "ArrowLeft" or "Enter", or a character.
        """
        return await self.call_tool_async("browser_press_key", {"key": key})

    async def browser_file_upload(self, paths: list[str]) -> ToolResult:
        """Choose files in the page's open file chooser.

        Args:
            paths: The files, as paths in the sandbox.
        """
        return await self.call_tool_async("browser_file_upload", {"paths": paths})

    async def browser_handle_dialog(self, accept: bool, prompt_text: str = "") -> ToolResult:
        """Answer the page's open dialog.

        Args:
            accept: Whether to accept it, or dismiss it.
            prompt_text: What to enter, if it is a prompt.
        """
        return await self.call_tool_async("browser_handle_dialog", given(accept=accept, promptText=prompt_text))

    async def browser_take_screenshot(
        self, raw: bool = False, filename: str = "", element: str = "", ref: str = ""
    ) -> ToolResult:
        """Take a picture of the page; to act on the page, take a snapshot instead.

        Args:
            raw: Whether to return a PNG without loss, instead of a JPEG.
            filename: Also save it under this name in the workspace.
            element: Only this element, in words; give its `ref`, too.
            ref: The element's reference from the snapshot.
        """
        arguments = given(raw=raw, filename=filename, element=element, ref=ref)
        return await self.call_tool_async("browser_take_screenshot", arguments)

    async def browser_pdf_save(self, filename: str = "") -> ToolResult:
        """Save the page as a PDF in the workspace.

        Args:
            filename: Its name; by default one with the time in it.
        """
        return await self.call_tool_async("browser_pdf_save", given(filename=filename))

    async def browser_console_messages(self) -> ToolResult:
        """Return what the page wrote to its console."""
        return await self.call_tool_async("browser_console_messages")

    async def browser_network_requests(self) -> ToolResult:
        """Return the network requests that the page made since it was opened."""
        return await self.call_tool_async("browser_network_requests")

    async def browser_tab_list(self) -> ToolResult:
        """List the open tabs, numbered from 1."""
        return await self.call_tool_async("browser_tab_list")

    async def browser_tab_new(self, url: str = "") -> ToolResult:
        """Open a new tab.

        Args:
            url: The address to open in it; by default it stays blank.
        """
        return await self.call_tool_async("browser_tab_new", given(url=url))

    async def browser_tab_select(self, index: int) -> ToolResult:
        """Switch to a tab.

        Args:
            index: The tab's number in the list, from 1.
        """
        return await self.call_tool_async("browser_tab_select", {"index": index})

    async def browser_tab_close(self, index: int | None = None) -> ToolResult:
        """Close a tab.

        Args:
            index: The tab's number in the list, from 1; by default the current one.
        """
        return await self.call_tool_async("browser_tab_close", given(index=index))

    async def browser_wait_for(
        self, time: float | None = None, text: str | None = None, text_gone: str | None = None
    ) -> ToolResult:
        """Wait until a text appears or disappears, or for some time.

        Args:
            time: Seconds to wait.
            text: The text to wait for.
            text_gone: The text whose disappearance to wait for.
        """
        arguments = given(time=time, text=text, textGone=text_gone)
        # Longer than the tool's own time-out is fine: whoever names a time has given it.
        return await self.call_tool_async("browser_wait_for", arguments, None if time is None else time + BESIDES)
