"""What the first call waits for where nobody used a sandbox for a while: a thaw, or a start with its workspace."""

from __future__ import annotations

import time
from functools import partial

from bench.manager import Raw
from bench.report import Series
from bench.warm import clocked
from managers import Server, eventually

SETTLE = 0.1
"""Seconds from the store's word that a sandbox is frozen to the engine's deed."""


def wakes(n: int) -> list[Series]:
    """Measure n first calls of a frozen base sandbox, and a few of a suspended one."""
    return [*_thaws(n), _starts(max(3, n // 20))]


def _thaws(n: int) -> list[Series]:
    series = Series("first call of a frozen base sandbox", target=50)
    p95 = Series("first call of a frozen base sandbox, p95", target=50, target_p95=True)
    scans = {"WATCHER_SCAN_INTERVAL": "0.05", "PAUSE_AFTER_SECONDS": "0.2"}
    with Server.temporary(POOL_SIZE="1", **scans) as server:
        raw = Raw(server)
        sandbox = raw.connect("frozen", "base")
        for _ in range(n):
            eventually(partial(_is, raw, sandbox, "paused", True), 30, "it is frozen", 0.02)
            time.sleep(SETTLE)
            clocked(series, partial(raw.call, "GET", f"/v1/sandboxes/{sandbox}/tools"))
    p95.samples = series.samples
    return [series, p95]


def _starts(n: int) -> Series:
    series = Series("first call of a suspended base sandbox", state="cold", target=1500)
    scans = {"WATCHER_SCAN_INTERVAL": "0.05", "HEARTBEAT_TIMEOUT": "0.5"}
    with Server.temporary(POOL_SIZE="1", **scans) as server:
        raw = Raw(server)
        sandbox = raw.connect("suspended", "base")
        for _ in range(n):
            eventually(partial(_is, raw, sandbox, "state", "suspended"), 60, "it is suspended", 0.05)
            clocked(series, partial(raw.call, "GET", f"/v1/sandboxes/{sandbox}/tools"))
    return series


def _is(raw: Raw, sandbox: str, member: str, value: object) -> bool:
    return bool(raw.call("GET", f"/v1/sandboxes/{sandbox}")[member] == value)
