"""Agents that hold a conversation, lent to one run at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentscope_runtime.adapters.lending import Keeping, a_new_one


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
        async with lend() as parrot:
            seen.append((list(parrot.words), parrot.hungry))
            parrot.words.append("hello")
            parrot.hungry = True
            taught.set()

    async with lend() as parrot:
        running = asyncio.create_task(run())
        parrot.words.append("ahoy")
        await asyncio.sleep(0)
        assert not taught.is_set()
    await running
    await run()
    assert seen == [([], False), ([], False)]


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
        assert one is not other
