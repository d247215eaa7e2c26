"""What steps of the store in memory cost, in instructions: a clock would tell the machine's mood."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest
from store_costs import STEPS, Step, with_leases
from stores import ME

from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore


async def instructions(what: Callable[[], Awaitable[Any]]) -> int:
    """Count the instructions of the interpreter that this takes, in all functions that it calls."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        await what()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_costs_the_same_among_many_leases(name: str) -> None:
    """What hot paths do looks at no lease but its own; a reaper's look at what is due only."""
    costs = []
    for leases in (10, 1000):
        store = MemoryStore(ME)
        await with_leases(store, leases)
        step: Step = STEPS[name]
        costs.append(await instructions(lambda store=store, step=step: step(store)))  # type: ignore[misc]
    few, many = costs
    assert many <= 1.3 * few, f"{many} instructions instead of {few}"
