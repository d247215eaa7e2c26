"""Interrupts within one process."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from agentscope_runtime.engine.interrupts import LocalInterruptBackend, TaskState
from agentscope_runtime.engine.interrupts.local import MOST_ENDED

RUNNING, FINISHED = TaskState.RUNNING, TaskState.FINISHED


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        """Return the time that it was set to."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The time of the backend."""
    return Clock()


@pytest.fixture
def backend(clock: Clock) -> LocalInterruptBackend:
    """A backend whose time the test sets."""
    return LocalInterruptBackend(clock.time)


async def test_a_state_is_kept_until_it_is_deleted(backend: LocalInterruptBackend) -> None:
    """What is set can be read, and what is deleted is not there; deleting twice is no error."""
    assert await backend.get_task_state("a") is None
    await backend.set_task_state("a", RUNNING)
    assert await backend.get_task_state("a") is RUNNING
    assert await backend.get_task_state("b") is None
    await backend.delete_task_state("a")
    await backend.delete_task_state("a")
    assert await backend.get_task_state("a") is None


@pytest.mark.parametrize(
    ("there", "expected", "negate", "done"),
    [
        (None, None, False, True),
        (None, RUNNING, False, False),
        (None, RUNNING, True, True),
        (None, None, True, False),
        (RUNNING, RUNNING, False, True),
        (RUNNING, RUNNING, True, False),
        (FINISHED, RUNNING, True, True),
        (RUNNING, None, False, False),
    ],
)
async def test_a_state_is_set_only_where_the_expected_one_is(
    backend: LocalInterruptBackend, there: TaskState | None, expected: TaskState | None, negate: bool, done: bool
) -> None:
    """Comparing and setting sets if there is what is expected, or with `negate` anything else, and says whether."""
    if there is not None:
        await backend.set_task_state("a", there)
    assert await backend.compare_and_set_state("a", TaskState.ERROR, expected, negate=negate) is done
    assert await backend.get_task_state("a") is (TaskState.ERROR if done else there)


async def test_a_state_is_forgotten_after_its_time(backend: LocalInterruptBackend, clock: Clock) -> None:
    """A state lives as long as it was set for, from when it was last set."""
    await backend.set_task_state("a", RUNNING, ttl=10)
    clock.now += 9
    await backend.set_task_state("a", RUNNING, ttl=10)
    clock.now += 9
    assert await backend.get_task_state("a") is RUNNING
    clock.now += 1
    assert await backend.get_task_state("a") is None


async def test_forgotten_states_take_no_memory(backend: LocalInterruptBackend, clock: Clock) -> None:
    """States that nobody asks for again are dropped when their time is over, too."""
    for number in range(100):
        await backend.set_task_state(f"session {number}", FINISHED, ttl=10)
        clock.now += 1
    assert len(backend._states) <= 11
    assert len(backend._endings) <= 11


async def test_the_newest_ends_are_remembered(backend: LocalInterruptBackend) -> None:
    """Names that clients make up do not fill the memory; a run that goes on is never forgotten."""
    await backend.set_task_state("running", RUNNING)
    for number in range(3 * MOST_ENDED):
        await backend.set_task_state(f"session {number}", RUNNING)
        await backend.set_task_state(f"session {number}", FINISHED)
    assert await backend.get_task_state("running") is RUNNING
    assert await backend.get_task_state(f"session {2 * MOST_ENDED}") is FINISHED
    assert await backend.get_task_state(f"session {2 * MOST_ENDED - 1}") is None
    assert len(backend._states) == MOST_ENDED + 1
    assert len(backend._endings) < 4 * MOST_ENDED


async def test_signals_reach_all_who_listen_to_the_channel(backend: LocalInterruptBackend) -> None:
    """A message comes to every listener of its channel, to none of another, and not to those who come later."""
    async with aclosing(backend.subscribe_listen("a")) as one, aclosing(backend.subscribe_listen("a")) as other:
        heard = [asyncio.create_task(anext(one)), asyncio.create_task(anext(other))]
        await asyncio.sleep(0)
        await backend.publish_event("b", "nothing")
        await backend.publish_event("a", "STOP")
        assert await asyncio.gather(*heard) == ["STOP", "STOP"]
    await backend.publish_event("a", "too late")
    assert backend._listeners == {}


async def test_closing_ends_all_listening(backend: LocalInterruptBackend) -> None:
    """When the backend is closed, listeners come to an end."""

    async def listen() -> list[str]:
        return [message async for message in backend.subscribe_listen("a")]

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await backend.publish_event("a", "last")
    await backend.aclose()
    assert await listening == ["last"]
