"""How large the pools are that a share of sessions needs."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentscope_runtime.sandbox_manager.sizing import (
    DEEPEST,
    FORGET,
    LONG,
    SHRINK_EVERY,
    Bounds,
    Demand,
    Sizing,
    fit,
    queue_size,
)

SHARE = 0.99


def served(size: int, load: float, parallel: int) -> float:
    """Return the share of sessions that a pool of this size serves, by the textbook's sums (M/M/c)."""
    terms = [load ** min(k, parallel) / math.factorial(min(k, parallel)) for k in range(400)]
    terms = [term * (load / parallel) ** max(0, k - parallel) for k, term in enumerate(terms)]
    return sum(terms[:size]) / sum(terms)


@given(load=st.floats(0.001, 7.0), parallel=st.integers(1, 8), share=st.floats(0.5, 0.999))
def test_a_size_is_the_smallest_that_serves_the_share(load: float, parallel: int, share: float) -> None:
    """One less would not do; where sessions come faster than sandboxes start, none would."""
    if load > 0.9 * parallel:
        return  # the sums need thousands of terms there
    size = queue_size(load, parallel, share)
    assert served(size, load, parallel) >= share - 1e-9
    assert size == 1 or served(size - 1, load, parallel) < share + 1e-9


def test_no_size_is_enough_when_sessions_come_faster_than_sandboxes_start() -> None:
    """Then it is the most."""
    assert queue_size(2.0, 2, SHARE) == DEEPEST
    assert queue_size(5.0, 2, SHARE, most=20) == 20


def test_what_was_observed_tells_the_size_exactly() -> None:
    """Three sessions at once every ten minutes need three, though their rate alone would need one."""
    sizing = Sizing(SHARE, 2, Bounds(most={"base": 50}), starts={"base": 1.0})
    now = 0.0
    for _ in range(2000):
        for _ in range(3):
            sizing.arrived("base", now)
        now += 600.0
    assert sizing.demand("base").observed(now, SHARE) == 3
    assert queue_size(3 / 600, 2, SHARE) == 1


def test_few_starts_at_a_time_make_the_others_wait_and_the_pool_larger() -> None:
    """Five sessions at a time, a second apart, with starts of a second: four slots never get through, six do."""
    sizes = {}
    for parallel in (4, 6):
        sizing = Sizing(SHARE, parallel, Bounds(most={"base": 500}), starts={"base": 1.0})
        for second in range(300):
            for _ in range(5):
                sizing.arrived("base", float(second))
        sizes[parallel] = sizing.wanted(300.0)["base"]
    assert sizes[6] == 5
    assert sizes[4] > 100


def test_what_is_long_past_is_forgotten() -> None:
    """A burst counts for a while; a kind that nobody asks for any more needs no pool."""
    demand = Demand(1.0)
    for _ in range(10):
        demand.arrived(0.0)
        demand.ordered(1.0)
    assert demand.observed(10.0, SHARE) == 10
    assert demand.observed(LONG * (-math.log2(FORGET / 10) - 0.1), SHARE) == 1
    assert demand.observed(LONG * (-math.log2(FORGET / 10) + 0.1), SHARE) == 0


def test_weights_never_overflow() -> None:
    """Years of sessions leave numbers that can be counted with."""
    demand = Demand(1.0)
    now = 1.8e9  # seconds since the epoch, as the manager's clock has them
    for days in (1, 100, 1, 0.1, 3000, 0.001) * 50:
        now += days * 86400.0
        demand.arrived(now)
        assert demand.observed(now, SHARE) == 1


def test_a_rush_is_seen_before_it_was_remembered() -> None:
    """Five a second after an hour of one a minute: within ten seconds the pool is sized for it."""
    sizing = Sizing(SHARE, 8, Bounds(most={"base": 50}), starts={"base": 1.0})
    for minute in range(60):
        sizing.arrived("base", 60.0 * minute)
    calm = sizing.wanted(3600.0)["base"]
    for fifth in range(50):
        sizing.arrived("base", 3600.0 + fifth / 5)
    assert calm <= 2
    assert sizing.wanted(3610.0)["base"] >= 4


def test_starts_that_take_longer_make_it_larger() -> None:
    """What is known of starts follows what they took."""
    sizes = []
    for took in (0.5, 4.0):
        sizing = Sizing(SHARE, 8, Bounds(most={"base": 50}))
        for _ in range(30):
            sizing.started("base", took)
        for second in range(600):
            sizing.arrived("base", float(second))
        sizes.append(sizing.wanted(600.0)["base"])
        assert sizing.demand("base").start == pytest.approx(took)
    assert sizes[0] < sizes[1]


def test_sizes_go_up_at_once_and_down_by_and_by() -> None:
    """One step in half a minute, so that a lull throws nothing away that the next minute needs."""
    sizing = Sizing(SHARE, 8, Bounds({"base": 1}, {"base": 50}), starts={"base": 1.0})
    for _ in range(6):
        sizing.arrived("base", 0.0)
    high = sizing.sizes(1.0)["base"]
    assert high >= 6
    late = 100 * LONG
    assert sizing.sizes(late)["base"] == high - 1
    assert sizing.sizes(late + SHRINK_EVERY / 2)["base"] == high - 1
    assert sizing.sizes(late + SHRINK_EVERY)["base"] == high - 2
    for step in range(2, 60):
        sizing.sizes(late + step * SHRINK_EVERY)
    assert sizing.sizes(late + 60 * SHRINK_EVERY)["base"] == 1


def test_other_kinds_take_their_part_of_the_starts() -> None:
    """A kind that alone would need one needs more while another keeps most slots busy."""
    sizes = {}
    for rate in (0, 3):
        sizing = Sizing(SHARE, 4, Bounds(most={"base": 200, "browser": 200}), starts={"base": 1.0, "browser": 1.0})
        chance = random.Random(2)  # noqa: S311 - nobody's secret
        now = 0.0
        while now < 1000:
            now += chance.expovariate(0.5 + rate)
            sizing.arrived("base" if chance.random() < 0.5 / (0.5 + rate) else "browser", now)
        sizes[rate] = sizing.wanted(now)["base"]
    assert sizes[0] < sizes[3]


sizes_of = st.dictionaries(st.sampled_from("abc"), st.integers(0, 9))


@given(
    wanted=sizes_of,
    least=sizes_of,
    most=sizes_of,
    needs=st.dictionaries(st.sampled_from("abc"), st.integers(1, 5)),
    memory=st.none() | st.integers(0, 60),
)
def test_sizes_fit_into_bounds_and_memory(
    wanted: dict[str, int], least: dict[str, int], most: dict[str, int], needs: dict[str, int], memory: int | None
) -> None:
    """Never below the least, above the most only where that is less; beyond the least no more memory than there is."""
    sizes = fit(wanted, Bounds(least, most, needs), memory)
    for kind, size in sizes.items():
        assert least.get(kind, 0) <= size <= max(least.get(kind, 0), most.get(kind, 0))
    if memory is not None:
        used = sum(size * needs.get(kind, 0) for kind, size in sizes.items())
        needed = sum(size * needs.get(kind, 0) for kind, size in least.items())
        assert used <= max(memory, needed)


def test_memory_is_taken_from_whom_it_hurts_least() -> None:
    """The pool that is furthest above its least gives way."""
    bounds = Bounds({"base": 1, "browser": 1}, {"base": 9, "browser": 9}, {"base": 1, "browser": 4})
    assert fit({"base": 6, "browser": 3}, bounds, 16) == {"base": 4, "browser": 3}
    assert fit({"base": 6, "browser": 3}, bounds, 0) == {"base": 1, "browser": 1}
