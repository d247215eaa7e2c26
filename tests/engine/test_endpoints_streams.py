"""Custom endpoints that stream: failures, readers who leave or are slow, what stays open meanwhile."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated, Any

import httpx
import pytest
from endpoint_answers import chunks, serve
from fastapi import Depends, FastAPI

from agentscope_runtime.engine.endpoints import UNREAD, endpoint


def test_a_failure_in_a_stream_is_its_last_event(caplog: pytest.LogCaptureFixture) -> None:
    """What came before has arrived; the event says what, and the log says where."""

    async def break_off() -> AsyncIterator[int]:
        yield 1
        raise KeyError("lost")

    told = {"error": "'lost'", "error_type": "KeyError", "message": "Error in streaming generator"}
    assert chunks(serve(break_off).post("/it")) == [1, told]
    assert "break_off failed while it streamed" in caplog.text
    assert "raise KeyError" in caplog.text

    def at_once() -> Iterator[float]:
        yield 1 / len([])

    assert chunks(serve(at_once).post("/it"))[0]["error_type"] == "ZeroDivisionError"


class Panic(BaseException):
    """What no `except Exception` sees."""


async def wait_for_what_was_cancelled() -> None:
    """Raise the cancellation of something else."""
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    await cancelled


async def panic() -> None:
    """Raise what is no Exception."""
    raise Panic("lost")


async def leave() -> None:
    """Do what scripts do at their end."""
    sys.exit(3)


async def cancel_itself() -> None:
    """Cancel the task that it runs in, whichever that is."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


NO_EXCEPTIONS = [(wait_for_what_was_cancelled, "CancelledError"), (panic, "Panic"), (leave, "SystemExit")]


@pytest.mark.parametrize(("fail", "name"), NO_EXCEPTIONS)
def test_what_is_no_exception_ends_a_stream_and_no_server(fail: Callable[[], Awaitable[None]], name: str) -> None:
    """It is told as any failure, whether the generator is plain or not, and the next call is answered."""

    async def stream() -> AsyncIterator[int]:
        yield 1
        await fail()

    with serve(stream) as client:
        for _ in range(2):
            assert [chunk if chunk == 1 else chunk["error_type"] for chunk in chunks(client.post("/it"))] == [1, name]


@pytest.mark.parametrize("fail", [fail for fail, _ in NO_EXCEPTIONS])
def test_what_is_no_exception_fails_a_call_and_ends_no_server(fail: Callable[[], Awaitable[None]]) -> None:
    """Without a stream it is answered 500."""

    async def once() -> None:
        await fail()

    with serve(once) as client:
        for _ in range(2):
            assert client.post("/it").status_code == 500


def test_a_stream_that_cancels_itself_ends() -> None:
    """Nobody waits for more of it."""

    async def stream() -> AsyncIterator[int]:
        yield 1
        await cancel_itself()
        yield 2

    with serve(stream) as client:
        assert chunks(client.post("/it")) == [1]


def test_a_plain_generator_that_exits_ends_its_stream() -> None:
    """In its thread, too."""

    def stream() -> Iterator[int]:
        yield 1
        sys.exit("bye")

    with serve(stream) as client:
        assert chunks(client.post("/it"))[1]["error"] == "bye"


def test_half_a_character_is_written_as_a_whole_one() -> None:
    """Streams go on after it, and documents have it, too."""

    async def stream() -> AsyncIterator[Any]:
        yield "a\ud83d"
        yield {"\udc00": "b"}

    async def once() -> list[str]:
        return ["a\ud83d"]

    assert chunks(serve(stream).post("/it")) == ["a\ufffd", {"\ufffd": "b"}]
    assert serve(once).post("/it").json() == ["a\ufffd"]


def test_a_dependency_stays_open_while_its_stream_runs() -> None:
    """A connection that was opened for the request is closed after the last chunk."""
    seen: list[str] = []

    async def connection() -> AsyncIterator[str]:
        seen.append("open")
        yield "connection"
        seen.append("close")

    async def stream(given: Annotated[str, Depends(connection)]) -> AsyncIterator[str]:
        yield given
        seen.append("last chunk")

    # The names in the annotation are local: no module knows them.
    stream.__annotations__["given"] = Annotated[str, Depends(connection)]
    assert chunks(serve(stream).post("/it")) == ["connection"]
    assert seen == ["open", "last chunk", "close"]


def scope() -> dict[str, Any]:
    """Return what a server says of a POST to /it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/it",
        "query_string": b"",
        "headers": [],
    }


async def test_a_reader_who_leaves_ends_the_generator_in_good_order() -> None:
    """The generator is cancelled where it waits, and what it awaits at its end is done before the response is over."""
    left, ended = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def stream() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            seen.append("saved")
            ended.set()

    async def receive() -> dict[str, Any]:
        if not seen:
            seen.append("body")
            return {"type": "http.request", "body": b"", "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            left.set()

    app = serve(stream).app
    await app(scope(), receive, send)
    assert ended.is_set()
    assert seen == ["body", "cancelled", "saved"]


async def test_a_slow_reader_holds_the_generator() -> None:
    """No more than a few chunks are made ahead of who reads them."""
    made = 0
    reading = asyncio.Event()

    async def stream() -> AsyncIterator[int]:
        nonlocal made
        for made in range(1, 200):
            yield made

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        if message.get("body"):
            await reading.wait()

    task = asyncio.ensure_future(serve(stream).app(scope(), receive, send))
    for _ in range(300):
        await asyncio.sleep(0)
    assert 1 <= made <= UNREAD + 3
    reading.set()
    await task
    assert made == 199


@pytest.mark.parametrize("streams", [False, True])
async def test_plain_functions_do_not_hold_the_loop(streams: bool) -> None:
    """While one waits in its thread, others are served."""
    waiting, go_on = threading.Event(), threading.Event()

    def wait() -> str:
        waiting.set()
        assert go_on.wait(20)
        return "done"

    def wait_and_stream() -> Iterator[str]:
        yield wait()

    app = FastAPI()
    app.add_api_route("/slow", endpoint(wait_and_stream if streams else wait), methods=["POST"], response_model=None)

    async def release() -> None:
        assert waiting.is_set()
        go_on.set()

    app.add_api_route("/release", endpoint(release), methods=["POST"], response_model=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        slow = asyncio.create_task(client.post("/slow"))
        await asyncio.get_running_loop().run_in_executor(None, waiting.wait, 20)
        assert (await client.post("/release")).status_code == 200
        assert "done" in (await slow).text
