"""Browser sandboxes that are none: the real methods with the real signatures, and a script instead of a container."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from agentscope_runtime.sandbox import BrowserSandbox, BrowserSandboxAsync

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # one, red
"""A picture of one point, as PNG in base64."""

Script = Callable[[str, Mapping[str, Any]], dict[str, Any]]


def page(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Answer as a browser on a page with one heading would."""
    if name == "browser_take_screenshot":
        return result(
            {"type": "text", "text": "A screenshot"}, {"type": "image", "data": PIXEL, "mimeType": "image/png"}
        )
    if name == "browser_click" and arguments["ref"] == "e404":
        return result({"type": "text", "text": "no element e404"}, failed=True)
    return result({"type": "text", "text": f'{name}: heading "Hello" [ref=e1]'})


def result(*content: dict[str, Any], failed: bool = False) -> dict[str, Any]:
    """Return what a sandbox returns of a tool."""
    return {"meta": None, "content": list(content), "isError": failed}


class RecordedBox(BrowserSandbox):
    """A browser sandbox that notes which tools were called, and in which threads."""

    def __init__(self, script: Script = page) -> None:
        super().__init__()
        self.script = script
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.threads: list[int] = []

    def call_tool(
        self, name: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """Note the call, and answer by the script."""
        self.calls.append((name, dict(arguments or {})))
        self.threads.append(threading.get_ident())
        return self.script(name, arguments or {})


class RecordedBoxAsync(BrowserSandboxAsync):
    """The same, asynchronous."""

    def __init__(self, script: Script = page) -> None:
        super().__init__()
        self.script = script
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def call_tool_async(
        self, name: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """Note the call, and answer by the script."""
        self.calls.append((name, dict(arguments or {})))
        return self.script(name, arguments or {})
