"""Calls that arrive together: the loop does not stand still until the last of them is answered."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Message, Receive, Scope, Send

from agentscope_runtime.sandbox_manager.api.turns import PIECE, Turns

CALL = PIECE / 2


async def _receive() -> Message:
    return {}


async def _send(message: Message) -> None:
    return


class Busy:
    """An application whose calls take the loop for a while, as those that wait for nothing do."""

    def __init__(self) -> None:
        self.served: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        until = time.monotonic() + CALL
        while time.monotonic() < until:
            pass
        self.served.append(scope.get("number", -1))


async def test_others_have_their_turn_between_calls() -> None:
    """Thirty calls of 5 ms are 150 ms of work; whoever else is there runs many times meanwhile."""
    busy = Busy()
    turns, number = Turns(busy), 30
    calls = [asyncio.create_task(turns({"type": "http", "number": i}, _receive, _send)) for i in range(number)]
    others = 0
    while not all(call.done() for call in calls):
        await asyncio.sleep(0)
        others += 1
    assert others >= number * CALL / PIECE / 2
    assert busy.served == list(range(number))


async def test_a_call_that_comes_alone_begins_at_once() -> None:
    """Nobody waits for a turn that is free, whatever was before."""
    busy = Busy()
    turns = Turns(busy)
    for number in range(3):
        call = turns({"type": "websocket", "number": number}, _receive, _send)
        try:
            call.send(None)
        except StopIteration:
            await asyncio.sleep(0)
            continue
        raise AssertionError("it waited for something")
    assert busy.served == [0, 1, 2]


async def test_the_life_of_the_application_is_no_call() -> None:
    """It begins in any turn."""
    busy = Busy()
    turns = Turns(busy)
    for _ in range(5):
        try:
            turns({"type": "lifespan"}, _receive, _send).send(None)
        except StopIteration:
            continue
        raise AssertionError("it waited for something")
    assert len(busy.served) == 5
