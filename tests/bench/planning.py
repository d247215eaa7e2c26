"""How long it takes to replay a million sessions."""

from __future__ import annotations

import time

from bench.report import Series

from agentscope_runtime.sandbox_manager.simulation.replay import replay
from agentscope_runtime.sandbox_manager.simulation.stock import Plan
from agentscope_runtime.sandbox_manager.simulation.traces import made_up
from agentscope_runtime.sandbox_manager.sizing import Bounds
from agentscope_runtime.sandbox_manager.states import Limits

SESSIONS = 1_000_000
RATE = 5.0


def replays(rounds: int) -> list[Series]:
    """Replay with pools that size themselves, with room for all and with a line that is always full."""
    found = []
    for name, limits in (("room for all", Limits()), ("a full line", Limits(total=250))):
        series = Series(f"simulate 10^6 sessions, {name}", unit="s", state="cold", target=60)
        plan = Plan(Bounds({"base": 4}, {"base": 50}), {"base": 1.0}, 0.99, parallel=8, limits=limits, patience=30)
        for seed in range(rounds):
            begin = time.perf_counter()
            outcome = replay(plan, made_up(rate=RATE, hold=60, duration=SESSIONS / RATE, seed=seed))
            series.samples.append((time.perf_counter() - begin) * SESSIONS / outcome.sessions)
        found.append(series)
    return found
