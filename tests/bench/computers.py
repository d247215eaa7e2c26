"""Measures of filesystem and gui sandboxes: new sessions, scripts of their own, pictures of the screen."""

from __future__ import annotations

import time
from typing import Any

from bench.cold import until_result
from bench.manager import Raw
from bench.report import Series
from bench.warm import clocked
from managers import Server

SCREENSHOT = {"action": "get_screenshot"}
FIRST: dict[str, tuple[str, dict[str, Any], float]] = {
    "filesystem": ("list_directory", {"path": "."}, 25),
    "gui": ("computer_use", SCREENSHOT, 150),
}
"""By kind: a first tool, its arguments, and the milliseconds that a new session may wait for its result."""
FILESYSTEM = """
from agentscope_runtime.sandbox import FilesystemSandbox
with FilesystemSandbox() as box:
    assert not box.list_directory(".")["isError"]
    print("result", flush=True)
"""
GUI = """
from agentscope_runtime.sandbox import GuiSandbox
with GuiSandbox() as box:
    assert not box.computer_use("get_screenshot")["isError"]
    print("result", flush=True)
"""


def sessions(server: Server, kind: str, n: int) -> Series:
    """Measure n new sessions, each from a full pool, up to the result of their first tool."""
    tool, arguments, target = FIRST[kind]
    raw = Raw(server)
    series = Series(f"connect → first {tool} result ({kind})", target=target)
    for number in range(n):
        raw.wait_pool(kind)
        begin = time.perf_counter()
        sandbox = raw.connect(f"{kind}-{number}", kind)
        raw.tool(sandbox, tool, **arguments)
        series.samples.append((time.perf_counter() - begin) * 1000)
        raw.release(f"{kind}-{number}")
    return series


def screenshots(server: Server, n: int) -> Series:
    """Measure n pictures of one screen, 1280 by 800, through the manager."""
    raw = Raw(server)
    series = Series("computer_use get_screenshot", target=120)
    raw.wait_pool("gui")
    sandbox = raw.connect("screenshots", "gui")
    for _ in range(n):
        clocked(series, lambda: raw.tool(sandbox, "computer_use", **SCREENSHOT))
    raw.release("screenshots")
    return series


def scripts(n: int) -> list[Series]:
    """Measure scripts in new processes, with nothing running before."""
    filesystem = Series("with FilesystemSandbox() → first result", state="cold", target=1000)
    gui = Series("with GuiSandbox() → first screenshot", state="cold", target=3500)
    for _ in range(n):
        filesystem.samples.append(until_result(FILESYSTEM))
        gui.samples.append(until_result(GUI))
    return [filesystem, gui]
