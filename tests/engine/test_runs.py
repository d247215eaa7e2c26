"""Runs: one a session, with or without a reader, to whichever end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from run_scene import KEY, Scene, reading_of, says, waits
from virtual_time import settle, virtual

from agentscope_runtime.engine.errors import SessionBusy
from agentscope_runtime.engine.frameworks import load
from agentscope_runtime.engine.handlers import Handler
from agentscope_runtime.engine.interrupts import LocalInterruptBackend, TaskState
from agentscope_runtime.engine.runner import Reply, Runner
from agentscope_runtime.engine.runs import LAST_PATIENCE_S, Runs
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest, Event
from agentscope_runtime.engine.services.keepalive import HANDLING


@virtual
async def test_a_run_comes_to_its_end() -> None:
    """All words reach the reader, and the session is known as finished."""
    scene = Scene()
    reading = await scene.read_to_the_end(lambda: says("hello ", "there"))
    assert reading.text == "hello there"
    assert reading.response["status"] == "completed"
    assert await scene.state() is TaskState.FINISHED


@virtual
async def test_a_session_has_one_run_at_a_time() -> None:
    """A second run of a session is refused before it begins, in the words that clients know."""
    scene = Scene()
    run = await scene.start(waits)
    with pytest.raises(SessionBusy, match=r"Task alice:session-1 is already in RUNNING state\."):
        await scene.start(waits)
    assert await scene.state() is TaskState.RUNNING
    run.stop()
    await run.finished()
    assert (await scene.read_to_the_end(lambda: says("free"))).text == "free"


@virtual
async def test_sessions_do_not_hinder_each_other() -> None:
    """Runs of different sessions, and of one session's name with different users, go on side by side."""
    scene = Scene()
    keys = [("alice", "1"), ("alice", "2"), ("bob", "1")]
    request = AgentRequest(input=[], session_id="x")
    for key in keys:
        await scene.runs.start(key, Reply(Runner(), request, Handler(waits), load(None), {}))
    assert [await scene.runs.stop(key) for key in keys] == [True, True, True]


@virtual
async def test_the_session_is_free_when_the_reader_learns_the_end() -> None:
    """Who has read the last event may begin the next run at once."""
    scene = Scene()
    for _ in range(3):
        run = await scene.start(lambda: says("hello"))
        async with aclosing(run.batches()) as batches:
            async for batch in batches:
                if batch[-1].object == "response" and batch[-1].status == "completed":
                    break


@virtual
async def test_a_slow_reader_holds_the_handler() -> None:
    """A handler is not asked for more than its reader may have before it."""
    scene = Scene()
    said = 0

    async def handler() -> AsyncGenerator[str, None]:
        nonlocal said
        for _ in range(10_000):
            said += 1
            yield "x"

    run = await scene.start(handler)
    await settle()
    ahead = said
    assert 0 < ahead < 300
    await asyncio.sleep(3600)
    assert said == ahead
    assert len((await reading_of(run)).text) == 10_000


@virtual
async def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    """A handler in which something else was cancelled has failed: nobody stopped it."""
    scene = Scene()

    async def handler() -> None:
        inner = asyncio.ensure_future(asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner

    reading = await scene.read_to_the_end(handler)
    assert reading.response["error"]["message"] == "Unknown agent error: CancelledError"
    assert await scene.state() is TaskState.ERROR


def test_a_failure_is_the_end_of_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises ends as an error, logged, and the session is free."""

    @virtual
    async def check() -> None:
        scene = Scene()

        async def handler() -> AsyncGenerator[str, None]:
            yield "first"
            raise LookupError("swordfish")

        reading = await scene.read_to_the_end(handler)
        assert reading.response["error"]["code"] == "AGENT_UNKNOWN_ERROR"
        assert await scene.state() is TaskState.ERROR
        assert (await scene.read_to_the_end(lambda: says("again"))).text == "again"

    check()
    assert "swordfish" in caplog.text


@pytest.mark.parametrize("keep_running", [False, True])
def test_what_becomes_of_a_run_without_a_reader(keep_running: bool) -> None:
    """When its reader leaves, a run is stopped, or goes on to its end without one, as it was meant to."""

    @virtual
    async def check() -> None:
        scene = Scene()
        ends: list[str] = []

        async def handler() -> AsyncGenerator[str, None]:
            try:
                for _ in range(5_000):
                    yield "x"
                await asyncio.sleep(60)
                ends.append("finished")
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise

        run = await scene.start(handler, keep_running)
        async with aclosing(run.batches()) as batches:
            await anext(batches)
        await run.disconnected()
        await run.finished()
        assert ends == ["finished" if keep_running else "cancelled"]
        assert await scene.state() is (TaskState.FINISHED if keep_running else TaskState.STOPPED)

    check()


@virtual
async def test_no_error_of_ours_keeps_a_session() -> None:
    """Where even the last words fail, the reader's stream ends, and the session is free."""

    class Speechless(Reply):
        def completed(self) -> list[Event]:
            raise AssertionError("a bug")

    scene = Scene()
    request = AgentRequest(input=[], session_id="x")
    run = await scene.runs.start(KEY, Speechless(Runner(), request, Handler(lambda: says("hello")), load(None), {}))
    assert [batch async for batch in run.batches()]
    assert await scene.state() is TaskState.ERROR
    assert run._task is not None
    with pytest.raises(AssertionError, match="a bug"):
        await run._task


@virtual
async def test_a_handler_knows_whose_run_it_is_part_of() -> None:
    """Services see in whose session they are used, as long as the run lasts."""
    scene = Scene()

    async def handler() -> str:
        current = HANDLING.get()
        assert current is not None
        return f"{current.user_id} in {current.session_id}"

    assert (await scene.read_to_the_end(handler)).text == "alice in session-1"
    assert HANDLING.get() is None


def test_the_end_of_an_application_stops_its_runs(caplog: pytest.LogCaptureFixture) -> None:
    """All runs are stopped together and waited for, but not those that hang."""

    @virtual
    async def check() -> None:
        runs = Runs(LocalInterruptBackend())
        ends: list[str] = []

        async def saves() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(2)
                ends.append("saved")

        async def hangs() -> None:
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    if ends.count("left") == 1:
                        raise
                    ends.append("left")

        request = AgentRequest(input=[], session_id="x")
        for number, handler in enumerate([saves, saves, hangs]):
            await runs.start(("u", str(number)), Reply(Runner(), request, Handler(handler), load(None), {}))
        await settle()
        loop = asyncio.get_running_loop()
        start = loop.time()
        await runs.aclose()
        assert sorted(ends) == ["left", "saved", "saved"]
        assert loop.time() - start == pytest.approx(LAST_PATIENCE_S)

    check()
    assert "1 handlers go on although they were stopped" in caplog.text


@virtual
async def test_readers_of_runs_that_the_end_stops_are_told() -> None:
    """When an application ends, who reads a run reads that it was stopped."""
    scene = Scene()
    begun = asyncio.Event()
    reading = asyncio.create_task(reading_of(await scene.start(waits), begun))
    await begun.wait()
    await scene.runs.stop_all()
    assert (await reading).response["status"] == "canceled"


class TestStream:
    """Any function as the run of a session."""

    @virtual
    async def test_items_come_as_they_are(self) -> None:
        """What a function yields is what its caller gets, whatever it is."""
        runs = Runs(LocalInterruptBackend())

        async def numbers(start: int, *, stop: int) -> AsyncGenerator[object, None]:
            for number in range(start, stop):
                yield {"number": number}

        assert [item async for item in runs.stream(KEY, numbers, 2, stop=4)] == [{"number": 2}, {"number": 3}]
        assert [item async for item in runs.stream(KEY, lambda: 5)] == [5]

    @virtual
    async def test_a_failure_is_raised_where_it_is_read(self) -> None:
        """What the function raises, its caller gets, after what was said before."""
        runs = Runs(LocalInterruptBackend())

        async def fails() -> AsyncGenerator[int, None]:
            yield 1
            raise LookupError("swordfish")

        got: list[int] = []
        with pytest.raises(LookupError, match="swordfish"):
            async for item in runs.stream(KEY, fails):
                got.append(item)
        assert got == [1]

    @virtual
    async def test_a_stop_ends_the_stream(self) -> None:
        """A stopped function is cancelled, and its stream simply ends; the session is busy until then."""
        runs = Runs(LocalInterruptBackend())
        got = []
        async for item in runs.stream(KEY, waits):
            got.append(item)
            with pytest.raises(SessionBusy):
                await anext(runs.stream(KEY, waits))
            assert await runs.stop(KEY)
        assert got == ["first"]

    @virtual
    async def test_leaving_the_stream_stops_the_function(self) -> None:
        """Whoever stops reading stops the function."""
        runs = Runs(LocalInterruptBackend())
        async with aclosing(runs.stream(KEY, waits)) as items:
            await anext(items)
        await settle()
        assert not await runs.stop(KEY)
