"""A tool called by MCP and called plainly, in turn and on kept connections, so that what MCP adds shows."""

from __future__ import annotations

import time

from bench.manager import Raw
from bench.report import Series
from managers import Server

ARGUMENTS = {"code": "1"}
MESSAGE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "run_ipython_cell", "arguments": ARGUMENTS},
}


def calls(server: Server, n: int) -> list[Series]:
    """Measure `run_ipython_cell("1")` by MCP and plainly through the manager, and the difference."""
    by_mcp = Series('run_ipython_cell("1") by MCP, through the manager')
    share = Series("what MCP adds to a plain tool call (difference of neighbouring calls)", target=3)
    raw = Raw(server)
    sandbox = raw.connect("mcp", "base")
    for number in range(n + 5):
        begin = time.perf_counter()
        raw.call("POST", f"/v1/sandboxes/{sandbox}/tools/run_ipython_cell", {"arguments": ARGUMENTS})
        middle = time.perf_counter()
        raw.call("POST", f"/v1/sandboxes/{sandbox}/mcp", MESSAGE)
        end = time.perf_counter()
        if number >= 5:  # the first calls of a connection and a kernel are not what is asked here
            by_mcp.samples.append((end - middle) * 1000)
            share.samples.append((end - middle - (middle - begin)) * 1000)
    raw.release("mcp")
    return [by_mcp, share]
