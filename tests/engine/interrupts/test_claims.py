"""Claims on sessions, by this process and by others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import ClassVar

import pytest
from virtual_time import clock, settle, virtual

from agentscope_runtime.engine.interrupts import BaseInterruptBackend, LocalInterruptBackend, TaskState
from agentscope_runtime.engine.interrupts.claims import HELD_S, REMEMBERED_ERROR_S, REMEMBERED_S, Claims

KEY = ("alice", "session-1")
STATE_KEY = 'state:["alice", "session-1"]'


class SharedBackend(LocalInterruptBackend):
    """A backend that several processes seem to share, and which can be broken."""

    shared: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__(clock)
        self.broken = False
        self.deaf_for = 0

    async def set_task_state(self, key: str, state: TaskState, ttl: int = 3600) -> None:
        """Set a state, or fail."""
        if self.broken:
            raise ConnectionError("the backend is gone")
        await super().set_task_state(key, state, ttl)

    async def publish_event(self, channel: str, message: str) -> None:
        """Say something, unless nobody listens yet."""
        self.deaf_for -= 1
        if self.deaf_for < 0:
            await super().publish_event(channel, message)

    async def subscribe_listen(self, channel: str) -> AsyncGenerator[str, None]:
        """Listen, or fail."""
        if self.broken:
            raise ConnectionError("the backend is gone")
        async for message in super().subscribe_listen(channel):
            yield message


async def nothing_left() -> None:
    """Check that no task of a claim goes on."""
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_a_session_is_claimed_once() -> None:
    """Whoever comes second gets nothing, until the first one has released it."""
    claims = Claims(LocalInterruptBackend(clock))
    claim = await claims.take(KEY, lambda: None)
    assert claim is not None
    assert await claims.take(KEY, lambda: None) is None
    await claim.release(TaskState.FINISHED)
    again = await claims.take(KEY, lambda: None)
    assert again is not None
    await again.release(TaskState.FINISHED)
    await nothing_left()


@virtual
async def test_names_cannot_be_made_to_collide() -> None:
    """Sessions of two users are two sessions, whatever characters their names have."""
    claims = Claims(LocalInterruptBackend(clock))
    keys = [("a:b", "c"), ("a", "b:c"), ('a", "b', "c"), ("a", 'b", "c'), ("", "a:b:c"), ("a,b", "c"), ("a", "b,c")]
    taken = [await claims.take(key, lambda: None) for key in keys]
    for claim in taken:
        assert claim is not None
        await claim.release(TaskState.FINISHED)


@pytest.mark.parametrize(
    ("state", "remembered"),
    [
        (TaskState.FINISHED, REMEMBERED_S),
        (TaskState.STOPPED, REMEMBERED_S),
        (TaskState.ERROR, REMEMBERED_ERROR_S),
    ],
)
def test_the_end_of_a_run_is_remembered(state: TaskState, remembered: int) -> None:
    """How a run ended can be asked for a while, longest if it failed."""

    @virtual
    async def check() -> None:
        backend = LocalInterruptBackend(clock)
        claim = await Claims(backend).take(KEY, lambda: None)
        assert claim is not None
        assert await backend.get_task_state(STATE_KEY) is TaskState.RUNNING
        await claim.release(state)
        await asyncio.sleep(remembered - 1)
        assert await backend.get_task_state(STATE_KEY) is state
        await asyncio.sleep(2)
        assert await backend.get_task_state(STATE_KEY) is None

    check()


@virtual
async def test_a_long_run_keeps_its_session() -> None:
    """A claim is renewed for as long as the run takes, and not for longer."""
    backend = LocalInterruptBackend(clock)
    claims = Claims(backend)
    claim = await claims.take(KEY, lambda: None)
    assert claim is not None
    await asyncio.sleep(5 * 3600)
    assert await claims.take(KEY, lambda: None) is None
    await claim.release(TaskState.STOPPED)
    await asyncio.sleep(HELD_S / 2)
    assert await backend.get_task_state(STATE_KEY) is TaskState.STOPPED


@virtual
async def test_a_dead_process_loses_its_sessions() -> None:
    """A claim that nobody renews is over after its time: nobody has to clean up after a crash."""
    backend = SharedBackend()
    claim = await Claims(backend).take(KEY, lambda: None)
    assert claim is not None
    for task in claim._watching:  # the process dies
        task.cancel()
    assert await Claims(backend).take(KEY, lambda: None) is None
    await asyncio.sleep(HELD_S + 1)
    heir = await Claims(backend).take(KEY, lambda: None)
    assert heir is not None
    await heir.release(TaskState.FINISHED)


@virtual
async def test_a_run_of_another_process_is_stopped() -> None:
    """A signal reaches the process that has the run, and whoever sends it learns that there is one."""
    backend = SharedBackend()
    stopped = asyncio.Event()
    claim = await Claims(backend).take(KEY, stopped.set)
    assert claim is not None

    async def end() -> None:
        await stopped.wait()
        await claim.release(TaskState.STOPPED)

    ending = asyncio.create_task(end())
    assert await Claims(backend).stop_elsewhere(KEY)
    await ending
    assert not await Claims(backend).stop_elsewhere(KEY)
    await nothing_left()


@virtual
async def test_a_signal_that_comes_too_early_is_repeated() -> None:
    """Whoever has just claimed may not listen yet: the signal is repeated until it is heard."""
    backend = SharedBackend()
    backend.deaf_for = 2
    stopped = asyncio.Event()
    claim = await Claims(backend).take(KEY, stopped.set)
    assert claim is not None
    assert await Claims(backend).stop_elsewhere(KEY)
    assert stopped.is_set()
    await claim.release(TaskState.STOPPED)


@virtual
async def test_other_processes_are_not_asked_where_there_are_none() -> None:
    """What is kept in this process's memory says nothing about others."""
    backend = LocalInterruptBackend(clock)
    await backend.set_task_state(STATE_KEY, TaskState.RUNNING)
    assert not await Claims(backend).stop_elsewhere(KEY)


def test_a_backend_that_fails_ends_no_run(caplog: pytest.LogCaptureFixture) -> None:
    """Failures of renewing, listening and releasing are logged, and a run is stoppable again after them."""

    @virtual
    async def check() -> None:
        backend = SharedBackend()
        stopped = asyncio.Event()
        claim = await Claims(backend).take(KEY, stopped.set)
        assert claim is not None
        backend.broken = True
        await asyncio.sleep(HELD_S / 2 + 1)
        backend.broken = False
        await asyncio.sleep(HELD_S / 2)
        assert await backend.get_task_state(STATE_KEY) is TaskState.RUNNING
        assert await Claims(backend).stop_elsewhere(KEY)
        assert stopped.is_set()
        backend.broken = True
        await claim.release(TaskState.STOPPED)
        await nothing_left()

    with caplog.at_level(logging.WARNING):
        check()
    assert "could not renew the claim" in caplog.text
    assert "could not say that the run" in caplog.text


def test_listening_begins_again_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A backend that breaks while somebody listens is listened to again."""

    @virtual
    async def check() -> None:
        backend = SharedBackend()
        stopped = asyncio.Event()
        claim = await Claims(backend).take(KEY, stopped.set)
        assert claim is not None
        backend.broken = True  # before the listener's first turn
        await settle()
        backend.broken = False
        await asyncio.sleep(2)
        assert await Claims(backend).stop_elsewhere(KEY)
        assert stopped.is_set()
        await claim.release(TaskState.STOPPED)

    with caplog.at_level(logging.WARNING):
        check()
    assert "could not listen for signals" in caplog.text


def test_backends_of_others_count_as_shared() -> None:
    """A backend that says nothing about it is taken for one that other processes use, too."""
    assert BaseInterruptBackend.shared
    assert not LocalInterruptBackend.shared
