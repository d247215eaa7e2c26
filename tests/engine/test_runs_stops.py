"""Runs that are stopped: what their handlers hear, and what their readers read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest
from run_scene import KEY, Scene, reading_of, says, waits
from virtual_time import settle, virtual

from agentscope_runtime.engine.errors import SessionBusy
from agentscope_runtime.engine.interrupts import LocalInterruptBackend, TaskState
from agentscope_runtime.engine.run import PATIENCE_S
from agentscope_runtime.engine.runs import Runs


@virtual
async def test_a_stop_is_heard_where_the_handler_waits() -> None:
    """The handler gets `CancelledError`, its `finally` runs, its reader is told, and the next run may begin."""
    scene = Scene()
    heard: list[str] = []

    async def handler() -> AsyncGenerator[str, None]:
        try:
            yield "first"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0.5)  # saves its state
            heard.append("saved")

    begun = asyncio.Event()
    run = await scene.start(handler)
    reading = asyncio.create_task(reading_of(run, begun))
    await begun.wait()
    assert await scene.runs.stop(KEY)
    with pytest.raises(SessionBusy):
        await scene.start(waits)
    assert (await reading).response["status"] == "canceled"
    assert (await reading).text == "first"
    assert heard == ["cancelled", "saved"]
    assert await scene.state() is TaskState.STOPPED
    assert not await scene.runs.stop(KEY)
    assert (await scene.read_to_the_end(lambda: says("again"))).text == "again"


@virtual
async def test_a_stop_is_heard_at_a_yield() -> None:
    """A handler whose reader is slow is cancelled where it is, at its `yield`, and nothing that it said is lost."""
    scene = Scene()
    heard: list[str] = []

    async def handler() -> AsyncGenerator[str, None]:
        number = 0
        try:
            while True:
                yield f"{number} "
                number += 1
        except asyncio.CancelledError:
            heard.append(f"cancelled after {number}")
            raise

    run = await scene.start(handler)
    await settle()  # now the reader's box is full
    assert run.stop()
    reading = await reading_of(run)
    assert reading.response["status"] == "canceled"
    assert heard == [f"cancelled after {reading.text.split()[-1]}"]


@virtual
async def test_a_stopped_handler_may_say_farewell() -> None:
    """What a handler says when it is cancelled still reaches the reader."""
    scene = Scene()

    async def handler() -> AsyncGenerator[str, None]:
        try:
            yield "first"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield ", farewell"
            raise

    begun = asyncio.Event()
    run = await scene.start(handler)
    reading = asyncio.create_task(reading_of(run, begun))
    await begun.wait()
    run.stop()
    assert (await reading).text == "first, farewell"
    assert (await reading).response["status"] == "canceled"


@virtual
async def test_a_handler_that_swallows_its_cancellation_was_stopped_all_the_same() -> None:
    """A handler that returns as if nothing had happened ends as stopped, and its response as canceled."""
    scene = Scene()

    async def handler() -> AsyncGenerator[str, None]:
        yield "first"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield " and last"

    begun = asyncio.Event()
    run = await scene.start(handler)
    reading = asyncio.create_task(reading_of(run, begun))
    await begun.wait()
    run.stop()
    assert (await reading).response["status"] == "canceled"
    assert (await reading).text == "first and last"
    assert await scene.state() is TaskState.STOPPED


def test_a_handler_that_goes_on_loses_its_reader(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that talks on is cut off after a while, and closed at its next word; its session is busy until then."""

    @virtual
    async def check() -> None:
        scene = Scene()
        ended: list[str] = []

        async def handler() -> AsyncGenerator[str, None]:
            try:
                while True:
                    try:
                        yield "tick "
                        await asyncio.sleep(PATIENCE_S / 3)
                    except asyncio.CancelledError:
                        pass
            finally:
                ended.append("closed")

        begun = asyncio.Event()
        run = await scene.start(handler)
        reading = asyncio.create_task(reading_of(run, begun))
        await begun.wait()
        loop = asyncio.get_running_loop()
        start = loop.time()
        run.stop()
        assert (await reading).response["status"] == "canceled"
        assert loop.time() - start == pytest.approx(PATIENCE_S)
        await run.finished()
        assert ended == ["closed"]
        assert await scene.state() is TaskState.STOPPED

    check()
    assert "goes on although it was stopped" in caplog.text


@virtual
async def test_a_second_stop_cancels_a_handler_that_hangs() -> None:
    """Several stops at once are one; one that comes after the reader was told cancels anew."""
    scene = Scene()
    heard: list[float] = []

    async def handler() -> None:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard.append(asyncio.get_running_loop().time())

    run = await scene.start(handler)
    await settle()
    assert [run.stop(), run.stop(), run.stop()] == [True, True, True]
    assert (await reading_of(run)).response["status"] == "canceled"
    assert len(heard) == 1
    with pytest.raises(SessionBusy):
        await scene.start(waits)
    assert run.stop()
    await run.finished()
    assert heard[1] - heard[0] == pytest.approx(PATIENCE_S)
    assert not run.stop()


@virtual
async def test_a_run_that_is_stopped_before_its_first_step_ends() -> None:
    """A stop right after the start calls no handler, and frees the session."""
    scene = Scene()
    called: list[bool] = []

    async def handler() -> None:
        called.append(True)

    run = await scene.start(handler)
    assert run.stop()
    assert [batch async for batch in run.batches()][-1][-1].status == "canceled"
    assert not called
    assert await scene.state() is TaskState.STOPPED


def test_a_failure_in_the_end_of_a_stopped_run_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A handler whose cleaning up fails was stopped, and the log has what failed."""

    @virtual
    async def check() -> None:
        scene = Scene()

        async def handler() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise LookupError("could not save")

        run = await scene.start(handler)
        await settle()
        run.stop()
        assert (await reading_of(run)).response["status"] == "canceled"
        assert await scene.state() is TaskState.STOPPED

    check()
    assert "could not save" in caplog.text


@virtual
async def test_a_run_without_a_reader_can_be_stopped() -> None:
    """A run that goes on in the background is stopped like any other."""
    scene = Scene()
    run = await scene.start(waits, keep_running=True)
    await run.disconnected()
    await settle()
    assert await scene.runs.stop(KEY)
    await run.finished()
    assert await scene.state() is TaskState.STOPPED


async def test_a_stop_waits_for_a_handler_in_a_thread() -> None:
    """A plain handler cannot be interrupted: its reader is told after a while, its session is free when it is over."""
    scene = Scene()
    working, gate = threading.Event(), threading.Event()
    ends: list[str] = []

    def handler() -> Iterator[str]:
        try:
            working.set()
            assert gate.wait(10)
            yield "never read"
        finally:
            ends.append("closed")

    run = await scene.start(handler)
    await asyncio.to_thread(working.wait, 10)
    run.stop()
    reading = await reading_of(run)
    assert (reading.response["status"], reading.text) == ("canceled", "")
    with pytest.raises(SessionBusy):
        await scene.start(waits)
    gate.set()
    await run.finished()
    assert ends == ["closed"]
    assert await scene.state() is TaskState.STOPPED


@virtual
async def test_stopping_what_is_not_there_stops_nothing() -> None:
    """Whoever stops a session without a run learns that there was none."""
    assert not await Scene().runs.stop(KEY)


@virtual
async def test_a_run_is_stopped_from_another_process() -> None:
    """Where processes share a backend, each of them refuses a second run, and stops the one of another."""

    class Shared(LocalInterruptBackend):
        shared = True

    scene = Scene(Shared())
    elsewhere = Runs(scene.backend)
    reading = asyncio.create_task(reading_of(await scene.start(waits)))
    await settle()
    with pytest.raises(SessionBusy):
        await anext(elsewhere.stream(KEY, waits))
    assert await elsewhere.stop(KEY)
    assert (await reading).response["status"] == "canceled"
    assert not await elsewhere.stop(KEY)
