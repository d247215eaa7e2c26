"""Browser sandboxes that are not there: their tools answer with what they were given."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from agentscope_runtime.sandbox import BrowserSandbox, BrowserSandboxAsync
from agentscope_runtime.sandbox.errors import Unavailable
from agentscope_runtime.sandbox.types import ToolResult

TOOLS = ["browser_navigate", "browser_snapshot", "browser_take_screenshot", "browser_click", "browser_type"]
"""What the documents register."""

PIXEL = "iVBORw0KGgo="


def answer(name: str, arguments: Mapping[str, Any]) -> ToolResult:
    """Answer as a sandbox does: a text, and for screenshots a picture."""
    content: list[dict[str, Any]] = [{"type": "text", "text": f"{name} {dict(arguments)}"}]
    if name == "browser_take_screenshot":
        content.append({"type": "image", "data": PIXEL, "mimeType": "image/jpeg"})
    return {"meta": None, "content": content, "isError": name == "browser_close"}


class Browser(BrowserSandbox):
    """A sandbox that only answers."""

    def __init__(self) -> None:
        super().__init__(base_url="http://127.0.0.1:1")
        self.called_in: list[threading.Thread] = []

    def call_tool(
        self, name: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> ToolResult:
        """Answer at once."""
        self.called_in.append(threading.current_thread())
        if name == "browser_navigate_back":
            raise Unavailable("no sandbox is there")
        return answer(name, arguments or {})


class BrowserAsync(BrowserSandboxAsync):
    """The same, asynchronous."""

    def __init__(self) -> None:
        super().__init__(base_url="http://127.0.0.1:1")

    async def call_tool_async(
        self, name: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> ToolResult:
        """Answer at once."""
        return answer(name, arguments or {})
