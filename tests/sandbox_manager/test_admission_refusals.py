"""What callers hear who get no room."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import key, world
from lines import GIB, asks, full_at, now, refusal
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import (
    InvalidRequest,
    PoolExhausted,
)
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import Limits


@virtual
async def test_who_does_not_wait_is_refused_at_once_with_the_reason() -> None:
    """With the limit, its value, and when to come again."""
    async with world(full_at(1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        with pytest.raises(PoolExhausted, match="all 1 sandboxes that MAX_SANDBOX_INSTANCES allows") as caught:
            await w.pool.connect(key("s2"), ["base"])
        assert now() == 0
        assert caught.value.extras == {"limited_by": "total", "limit": 1, "retry_after": 2.0, "waiting": 0}


@virtual
async def test_patience_ends_with_a_refusal_that_says_how_long_and_who_is_before() -> None:
    """To the second, and never with None."""
    async with world(full_at(1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        first, second = asks(w, "s2", wait_s=50), asks(w, "s3", wait_s=10)
        error = await refusal(second)
        assert now() == 10
        assert "1 call waits before this one; waited 10.0 s" in error.detail
        assert (error.extras["waiting"], error.extras["retry_after"]) == (1, 4.0)
        await refusal(first)
        assert now() == 50
        assert (await w.pool.report()).queue.waiting == 0


@virtual
async def test_the_line_has_an_end_and_one_user_cannot_fill_it() -> None:
    """Where it is full, who comes is refused; but for a user with fewer places than another."""
    async with world(full_at(1, queue_length=3)) as w:
        await w.pool.connect(key("s0"), ["base"])
        calls = [asks(w, f"a{number}", "a") for number in range(3)]
        await settle()
        error = await refusal(asks(w, "a4", "a"))
        assert "3 calls wait already, and QUEUE_LENGTH allows no more" in error.detail
        other = asks(w, "b1", "b")
        error = await refusal(calls[2])
        assert "lost its place in the line to a user who has fewer" in error.detail
        report = (await w.pool.report()).queue
        assert (report.length, report.waiting, report.users) == (3, 3, 2)
        for call in (*calls[:2], other):
            call.cancel()


@virtual
async def test_a_line_without_places_lets_nobody_wait() -> None:
    """`QUEUE_LENGTH=0`."""
    async with world(full_at(1, queue_length=0)) as w:
        await w.pool.connect(key("s1"), ["base"])
        await refusal(asks(w, "s2"))
        assert now() == 0


@virtual
async def test_what_will_never_fit_is_not_waited_for() -> None:
    """It is the call that is wrong, and the message says what to change."""
    for limits, says in [
        (Limits(total=1), "base, browser are 2 sandboxes, and MAX_SANDBOX_INSTANCES allows 1"),
        (Limits(per_user=1), "base, browser are 2 sandboxes, and MAX_SANDBOXES_PER_USER allows 1"),
        (Limits(memory=GIB), "base, browser are 2048 MiB, and MAX_SANDBOX_MEMORY allows 1024"),
    ]:
        async with world(Policy(limits=limits)) as w:
            with pytest.raises(InvalidRequest, match=says):
                await w.pool.connect(key("s1"), ["base", "browser"], wait_s=100)


@virtual
async def test_the_report_has_the_limits_and_the_line() -> None:
    """As `/v1/pool` tells them."""
    async with world(Policy(limits=Limits(1, 5, {"browser": 2}, GIB), queue_length=7)) as w:
        await w.pool.connect(key("s1"), ["base"])
        calls = [asks(w, "s2", "a"), asks(w, "s3", "b")]
        await asyncio.sleep(2.5)
        report = await w.pool.report()
        assert report.limit == 1
        assert report.limits.model_dump() == {"total": 1, "per_user": 5, "types": {"browser": 2}, "memory": GIB}
        assert report.queue.model_dump() == {"length": 7, "waiting": 2, "users": 2, "longest": 2.5}
        for call in calls:
            call.cancel()


@virtual
async def test_refused_callers_are_told_to_come_when_their_turn_would_be() -> None:
    """By how often there was room of late, and how many are before them."""
    async with world(full_at(1)) as w:
        for number in range(30):
            await w.pool.connect(key(f"s{number}"), ["base"])
            await asyncio.sleep(10)
            await w.pool.release(key(f"s{number}"))
        await w.pool.connect(key("last"), ["base"])
        calls = [asks(w, f"w{number}", f"u{number}") for number in range(2)]
        await settle()
        error = await refusal(asks(w, "refused", "u9", wait_s=0))
        assert error.extras["retry_after"] == pytest.approx(30, rel=0.1)
        for call in calls:
            call.cancel()
