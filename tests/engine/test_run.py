"""The end of a run, whatever its handler did at last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from run_scene import KEY, Scene, says
from virtual_time import virtual

from agentscope_runtime.engine.interrupts import LocalInterruptBackend, TaskState


class SlowBackend(LocalInterruptBackend):
    """Takes its time, as one that is asked over a network."""

    async def set_task_state(self, key: str, state: TaskState, ttl: int = 3600) -> None:
        """Set a state, later."""
        await asyncio.sleep(0.1)
        await super().set_task_state(key, state, ttl)


class BrokenBackend(LocalInterruptBackend):
    """Is cut off when a run ends."""

    async def set_task_state(self, key: str, state: TaskState, ttl: int = 3600) -> None:
        """Fail as no backend should."""
        if state is not TaskState.RUNNING:
            raise asyncio.CancelledError
        await super().set_task_state(key, state, ttl)


class Panic(BaseException):
    """What libraries written in Rust raise."""


def _raises(error: BaseException) -> Callable[[], AsyncGenerator[str, None]]:
    async def handler() -> AsyncGenerator[str, None]:
        yield "first"
        raise error

    return handler


@virtual
async def test_a_handler_may_stop_its_own_run_as_its_last_act() -> None:
    """The reader is told, and the session is free, although nothing was left that the stop could end."""
    scene = Scene(SlowBackend())

    async def handler() -> AsyncGenerator[str, None]:
        yield "bye"
        await scene.runs.stop(KEY)

    reading = await asyncio.wait_for(scene.read_to_the_end(handler), 5)
    assert (reading.text, reading.response["status"]) == ("bye", "canceled")
    assert await scene.state() is TaskState.STOPPED
    assert (await scene.read_to_the_end(lambda: says("free"))).text == "free"


@virtual
async def test_a_handler_may_leave_a_cancellation_behind() -> None:
    """One that cancels its own task, and never waits again, has come to its end all the same."""
    scene = Scene(SlowBackend())

    async def handler() -> AsyncGenerator[str, None]:
        yield "bye"
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    reading = await asyncio.wait_for(scene.read_to_the_end(handler), 5)
    assert reading.text == "bye"
    assert (await scene.read_to_the_end(lambda: says("free"))).text == "free"


@virtual
async def test_no_backend_keeps_a_reader() -> None:
    """A release that is cut off leaves neither the reader waiting nor this process with the session."""
    scene = Scene(BrokenBackend())
    reading = await asyncio.wait_for(scene.read_to_the_end(lambda: says("hello")), 5)
    assert reading.text == "hello"
    await asyncio.sleep(1)
    assert not scene.runs._runs


@virtual
@pytest.mark.parametrize("error", [Panic("x"), GeneratorExit(), BaseExceptionGroup("x", [Panic("y")])], ids=repr)
async def test_whatever_a_handler_raises_is_told(error: BaseException) -> None:
    """Errors that are no `Exception` fail the run like others, and leave the server alone."""
    scene = Scene()
    reading = await scene.read_to_the_end(_raises(error))
    assert reading.response["status"] == "failed"
    assert type(error).__name__ in reading.response["error"]["message"]
    assert await scene.state() is TaskState.ERROR


def test_an_interrupt_from_the_keyboard_ends_the_program() -> None:
    """Who presses Ctrl-C in a notebook means the program."""

    @virtual
    async def check() -> Any:
        return await Scene().read_to_the_end(_raises(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        check()
