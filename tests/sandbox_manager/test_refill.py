"""How the pool keeps its targets."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable, StartFailed
from agentscope_runtime.sandbox_manager.events import RefillDelayed
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.refill import FIRST_PAUSE, LAST_PAUSE
from agentscope_runtime.sandbox_manager.states import Limits


@virtual
async def test_each_kind_is_filled_in_parallel_up_to_the_cap() -> None:
    """All that is missing is recorded at once, and started a few at a time."""
    async with world(Policy(targets={"base": 3, "browser": 2}, parallel=2)) as w:
        w.script.takes["start"] = 1.0
        await settle()
        assert sum(status.starting for status in (await w.pool.report()).types.values()) == 5
        await asyncio.sleep(3.1)
        report = (await w.pool.report()).types
        assert {kind: (status.target, status.ready) for kind, status in report.items()} == {
            "base": (3, 3),
            "browser": (2, 2),
        }
        assert w.script.most_at_once["start"] == 2


@virtual
async def test_a_quiet_pool_does_nothing() -> None:
    """Once full it sleeps until something happens: an hour passes without a call to the engine."""
    async with world(Policy(targets={"base": 2}), loops=False) as w:
        await asyncio.sleep(1)
        before = w.script.seen.total()
        await asyncio.sleep(3600)
        assert w.script.seen.total() == before


@virtual
async def test_failures_are_told_and_answered_with_longer_and_longer_pauses() -> None:
    """The pool does not hammer an engine that fails; the report says how often, why, and when it tries again."""
    async with world(Policy(targets={"base": 1})) as w:
        w.script.broken["create"] = BackendUnavailable("no Docker")
        await asyncio.sleep(300)
        delays = [event.retry_in for event in w.happenings(RefillDelayed) if isinstance(event, RefillDelayed)]
        for number, delay in enumerate(delays):
            assert delay == pytest.approx(min(FIRST_PAUSE * 2**number, LAST_PAUSE), rel=0.2)
        assert 10 < len(delays) < 20
        assert w.script.seen["create"] == len(delays)
        failure = (await w.pool.report()).types["base"].failures
        assert (failure.count, failure.reason) == (len(delays), "no Docker")
        assert 0 < failure.retry_in <= LAST_PAUSE * 1.2


@virtual
async def test_one_try_finds_out_that_it_works_again() -> None:
    """While starts fail only one is tried for the pool; its success fills the rest and clears the failure."""
    async with world(Policy(targets={"base": 3}, parallel=3)) as w:
        w.script.broken["ready"] = StartFailed("broken image")
        await asyncio.sleep(60)
        assert w.script.seen["create"] < 15
        w.script.broken.clear()
        await asyncio.sleep(LAST_PAUSE * 1.2)
        status = (await w.pool.report()).types["base"]
        assert (status.ready, status.failures.count, status.failures.reason) == (3, 0, "")


@virtual
async def test_one_kind_that_fails_does_not_hold_up_another() -> None:
    """Pauses are by kind."""
    async with world(Policy(targets={"base": 1, "browser": 1}, parallel=1)) as w:
        w.backend.engine.missing_images.add("image-base")
        await asyncio.sleep(1)
        report = (await w.pool.report()).types
        assert (report["base"].ready, report["browser"].ready) == (0, 1)
        assert "make images" in report["base"].failures.reason


@virtual
async def test_a_target_of_an_unknown_kind_is_a_failure_and_no_crash() -> None:
    """A wrong name in POOL_SIZE shows in the report."""
    async with world(Policy(targets={"bse": 1, "base": 1})) as w:
        await asyncio.sleep(1)
        report = (await w.pool.report()).types
        assert "no sandbox type 'bse'" in report["bse"].failures.reason
        assert report["base"].ready == 1


@virtual
async def test_a_session_tries_even_while_the_pool_pauses() -> None:
    """Pauses are for the pool; a session that asks gets a start, and its success ends the pause."""
    async with world(Policy(targets={"base": 1})) as w:
        w.script.broken["create"] = BackendUnavailable("no Docker")
        await asyncio.sleep(120)
        w.script.broken.clear()
        began = asyncio.get_running_loop().time()
        await w.pool.connect(key(), ["base"])
        await settle()
        assert asyncio.get_running_loop().time() == began
        assert (await w.pool.report()).types["base"].ready == 1


@virtual
async def test_the_pool_fills_again_when_the_limit_lets_it() -> None:
    """At the limit the pool gives way to sessions; after their release it is full again."""
    async with world(Policy(targets={"base": 2}, limits=Limits(2))) as w:
        await asyncio.sleep(1)
        for number in range(2):
            await w.pool.connect(key(f"s{number}"), ["browser"])
        await asyncio.sleep(1)
        assert (await w.pool.report()).types["base"].ready == 0
        for number in range(2):
            await w.pool.release(key(f"s{number}"))
        await asyncio.sleep(1)
        assert (await w.pool.report()).types["base"].ready == 2


@virtual
async def test_what_is_expected_is_started_once_and_not_replaced() -> None:
    """A script says what it will ask for: that start is its own, and when it has it nothing more is started."""
    async with world() as w:
        w.script.takes["start"] = 1.0
        w.pool.refill.expect(["base", "browser"])
        await asyncio.sleep(0.9)
        began = asyncio.get_running_loop().time()
        await w.pool.connect(key(), ["base"])
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.1)
        await asyncio.sleep(100)
        assert w.script.seen["create"] == 2
        report = (await w.pool.report()).types
        assert (report["base"].leased, report["base"].ready, report["browser"].ready) == (1, 0, 1)
