"""Questions that travel together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from virtual_time import virtual

from agentscope_runtime.sandbox_manager.stores.redis.courier import ROUTES, TOGETHER, Closed, Courier, Question

TAKES = 1.0


class Far:
    """Answers a second later, each question by itself or by the error that it is."""

    def __init__(self) -> None:
        self.packets: list[int] = []

    async def __call__(self, questions: Sequence[Question]) -> list[Any]:
        """Answer these questions."""
        self.packets.append(len(questions))
        await asyncio.sleep(TAKES)
        if ("lost",) in questions:
            raise OSError("lost")
        return [question[0] for question in questions]


@virtual
async def test_who_asks_alone_does_not_wait_for_others() -> None:
    """One packet with one question."""
    far = Far()
    assert await Courier(far).ask("x") == "x"
    assert far.packets == [1]
    assert asyncio.get_running_loop().time() == TAKES


@virtual
async def test_those_who_ask_together_travel_together() -> None:
    """In the order of their asking, as many in a packet as fit."""
    far = Far()
    courier = Courier(far)
    answers = await asyncio.gather(*(courier.ask(number) for number in range(300)))
    assert answers == list(range(300))
    assert far.packets == [TOGETHER] * 4 + [300 - 4 * TOGETHER]
    assert asyncio.get_running_loop().time() == 2 * TAKES


@virtual
async def test_who_asks_later_takes_another_route_or_the_next_packet() -> None:
    """There are a few routes; then one waits for the first that comes back."""
    far = Far()
    courier = Courier(far)
    asking = []
    for number in range(ROUTES + 3):
        asking.append(asyncio.ensure_future(courier.ask(number)))
        await asyncio.sleep(0.1)
    assert await asyncio.gather(*asking) == list(range(ROUTES + 3))
    assert far.packets == [1] * ROUTES + [3]


@virtual
async def test_an_error_is_its_questions_own_and_a_lost_packet_is_everybodys() -> None:
    """Whoever asks later is served again."""
    courier = Courier(Far())
    answers: list[Any] = await asyncio.gather(*map(courier.ask, ["x", ValueError("no")]), return_exceptions=True)
    assert answers[0] == "x"
    assert isinstance(answers[1], ValueError)
    answers = await asyncio.gather(*map(courier.ask, ["x", "lost"]), return_exceptions=True)
    assert [type(each) for each in answers] == [OSError, OSError]
    assert await courier.ask("y") == "y"


@virtual
async def test_a_lost_packet_keeps_nobody_waiting_for_the_next() -> None:
    """However many wait, they are refused as soon as the first is."""
    far = Far()
    courier = Courier(far)
    answers = await asyncio.gather(*map(courier.ask, ["lost"] * 5000), return_exceptions=True)
    assert {type(each) for each in answers} == {OSError}
    assert asyncio.get_running_loop().time() == TAKES
    assert len(far.packets) == ROUTES


@virtual
async def test_a_caller_who_leaves_takes_nobody_along() -> None:
    """Not even when it was the first of its packet."""
    far = Far()
    courier = Courier(far)
    first, second = (asyncio.ensure_future(courier.ask(name)) for name in "ab")
    await asyncio.sleep(TAKES / 2)
    first.cancel()
    assert await second == "b"
    assert first.cancelled()
    assert far.packets == [2]


@virtual
async def test_nothing_is_asked_after_the_end() -> None:
    """Whoever waits is told."""
    far = Far()
    courier = Courier(far)
    asking = [asyncio.ensure_future(courier.ask(number)) for number in range(ROUTES * TOGETHER + 1)]
    await asyncio.sleep(TAKES / 2)
    await courier.aclose()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Closed}
    with pytest.raises(Closed):
        await courier.ask("x")
    assert len(far.packets) == ROUTES
