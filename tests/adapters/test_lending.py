"""Agents that hold a conversation, lent to one run at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from virtual_time import virtual

from agentscope_runtime.adapters.lending import LAST_PATIENCE_S, PATIENCE_S, AgentBusy, Keeping, Loan, a_new_one


class Parrot:
    """An agent that knows some words."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.hungry = False


async def save(parrot: Parrot) -> dict[str, Any]:
    """Return what it knows."""
    return {"words": parrot.words}


async def load(parrot: Parrot, state: dict[str, Any]) -> None:
    """Have it know something else."""
    parrot.words = state["words"]


async def feed(parrot: Parrot) -> None:
    """Reset what its state does not say."""
    parrot.hungry = False


KEEPING = Keeping(save, load, feed)


async def test_one_agent_is_lent_to_one_run_at_a_time_as_it_was_at_first() -> None:
    """What one run taught it, the next does not hear."""
    lend, taught = KEEPING.the_one(Parrot()), asyncio.Event()
    seen: list[tuple[list[str], bool]] = []

    async def run() -> None:
        async with lend() as loan:
            parrot = loan.agent
            seen.append((list(parrot.words), parrot.hungry))
            parrot.words.append("hello")
            parrot.hungry = True
            taught.set()

    async with lend() as loan:
        running = asyncio.create_task(run())
        loan.agent.words.append("ahoy")
        await asyncio.sleep(0)
        assert not taught.is_set()
    await running
    await run()
    assert seen == [([], False), ([], False)]


def stubborn(seconds: float) -> asyncio.Task[None]:
    """Begin what goes on for a while whoever cancels it."""

    async def work() -> None:
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(left)

    return asyncio.create_task(work(), name="work")


async def stopped(loan: Loan[Parrot], seconds: float) -> None:
    """Stop what an agent has begun."""
    work = stubborn(seconds)
    await asyncio.sleep(0)
    work.cancel()
    await loan.end(work)


@virtual
async def test_an_agent_is_free_when_what_it_did_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    """Not when nobody waits for that any more: it would be said in the next one's conversation."""
    lend, now = KEEPING.the_one(Parrot()), asyncio.get_running_loop().time
    async with lend() as loan:
        await stopped(loan, 8)
    assert now() == PATIENCE_S
    assert "work goes on, although it was stopped" in caplog.text
    async with lend():
        assert now() == 8
    async with lend():
        assert now() == 8


@virtual
async def test_who_is_cancelled_while_waiting_for_the_end_does_not_free_the_agent() -> None:
    """A run that is stopped is cancelled again when it takes long."""
    lend, now = KEEPING.the_one(Parrot()), asyncio.get_running_loop().time

    async def run() -> None:
        async with lend() as loan:
            await stopped(loan, 8)

    running = asyncio.create_task(run())
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with lend():
        assert now() == 8


@virtual
async def test_nobody_waits_for_ever_for_what_does_not_end() -> None:
    """They are told that the agent is busy, and those who come later at once; when it has ended all is well again."""
    lend, now = KEEPING.the_one(Parrot()), asyncio.get_running_loop().time
    async with lend() as loan:
        await stopped(loan, 100)
    for _ in range(2):
        with pytest.raises(AgentBusy, match="try again later"):
            async with lend():
                pass
        assert now() == PATIENCE_S + LAST_PATIENCE_S
    await asyncio.sleep(100 - now())
    async with lend():
        pass


def test_an_agent_is_lent_in_each_loop() -> None:
    """A notebook's cell that is run again serves in another one."""
    lend = KEEPING.the_one(Parrot())

    async def run() -> None:
        async with lend():
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(run(), run())

    for _ in range(2):
        asyncio.run(both())


async def test_a_state_of_another_agent_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody's session is lost to an error when an agent was changed; the log says it."""
    parrot = Parrot()
    await KEEPING.restore(parrot, {"words": ["hello"]}, "s1")
    assert parrot.words == ["hello"]
    await KEEPING.restore(parrot, {"wheels": 4}, "s2")
    await KEEPING.restore(parrot, None, "s3")
    assert parrot.words == ["hello"]
    assert "session s2 begins anew" in caplog.text


async def test_a_new_one_is_made_for_each_run() -> None:
    """They run side by side."""

    async def make() -> Parrot:
        return Parrot()

    lend = a_new_one(make)
    async with lend() as one, lend() as other:
        assert one.agent is not other.agent
