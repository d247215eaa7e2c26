"""Warm measures: claims from a full pool, and calls on kept connections."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from bench.manager import Raw
from bench.report import Series
from managers import Server

from agentscope_runtime.engine.services.sandbox import SandboxService


def clocked(series: Series, call: Callable[[], object]) -> object:
    """Run one call and keep its milliseconds."""
    begin = time.perf_counter()
    value = call()
    series.samples.append((time.perf_counter() - begin) * 1000)
    return value


def base_sessions(server: Server, n: int) -> list[Series]:
    """Measure n new sessions with the raw client and n with the SDK, in turn, each from a full pool."""
    raw = Raw(server)
    service = SandboxService(base_url=server.url, bearer_token=server.key)
    connect = Series("connect, new session (raw client)", target=5)
    connect_p95 = Series("connect, new session (raw client), p95", target=20, target_p95=True)
    again = Series("connect again, same session (raw client)", target=3)
    first = Series("connect → first run_ipython_cell result", target=25)
    sdk = Series("connect, new session (SDK)", target=8)
    sdk_again = Series("connect again, same session (SDK)", target=6)
    for number in range(n):
        raw.wait_pool("base")
        begin = time.perf_counter()
        sandbox = str(clocked(connect, partial(raw.connect, f"raw-{number}", "base")))
        raw.tool(sandbox, "run_ipython_cell", code="print(1)")
        first.samples.append((time.perf_counter() - begin) * 1000)
        clocked(again, partial(raw.connect, f"raw-{number}", "base"))
        raw.release(f"raw-{number}")

        raw.wait_pool("base")
        clocked(sdk, partial(service.connect, f"sdk-{number}", "", ["base"]))
        clocked(sdk_again, partial(service.connect, f"sdk-{number}", "", ["base"]))
        service.release(f"sdk-{number}", "")
    connect_p95.samples = connect.samples
    return [connect, connect_p95, sdk, again, sdk_again, first]


def browser_sessions(server: Server, url: str, n: int) -> Series:
    """Measure n new sessions up to the result of their first `browser_navigate` of a page on this machine."""
    raw = Raw(server)
    series = Series("connect → first browser_navigate of a local page", target=300)
    for number in range(n):
        raw.wait_pool("browser")
        begin = time.perf_counter()
        sandbox = raw.connect(f"page-{number}", "browser")
        raw.tool(sandbox, "browser_navigate", url=url)
        series.samples.append((time.perf_counter() - begin) * 1000)
        raw.release(f"page-{number}")
    return series
