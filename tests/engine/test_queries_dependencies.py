"""What handlers depend on is there as long as they are, and no run is left behind when something around it fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from asking import body
from fastapi import BackgroundTasks, Depends, FastAPI
from query_app import QueryApp
from starlette.types import Message

from agentscope_runtime.engine.interrupts import TaskState

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/process",
    "headers": [(b"content-type", b"application/json")],
    "query_string": b"",
}


def client_of_failing(app: FastAPI) -> httpx.AsyncClient:
    """Return a client that is answered 500 where a server would answer that."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://agent")


async def waits() -> AsyncGenerator[str, None]:
    """Say a word and wait for ever."""
    yield "first"
    await asyncio.Event().wait()


async def leave(app: QueryApp, begun: asyncio.Event, question: dict[str, Any]) -> None:
    """Ask, and leave as soon as the handler is under way."""
    messages: list[Message] = [{"type": "http.request", "body": json.dumps(question).encode(), "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        pass

    await app(dict(SCOPE), receive, send)


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("keeps_running", [True, False])
async def test_dependencies_close_after_the_handler(keeps_running: bool, streams: bool) -> None:
    """What was opened for a handler is open until it is through, although its reader left."""
    begun, left = asyncio.Event(), asyncio.Event()
    log: list[str] = []

    async def database() -> AsyncIterator[str]:
        yield "open"
        log.append("database closed")

    async def handler(db: str = Depends(database)) -> AsyncGenerator[str, None]:
        try:
            yield "first"
            begun.set()
            await left.wait()
        finally:
            await asyncio.sleep(0.05)
            log.append(f"handler ends, database {db}")

    app = await QueryApp(keeps_running=keeps_running).started(handler)
    asking = asyncio.create_task(leave(app, begun, {**body("hello"), "stream": streams}))
    await begun.wait()
    await asyncio.sleep(0.05)
    left.set()
    async with asyncio.timeout(5):
        await asking
    assert log == ["handler ends, database open", "database closed"]
    assert await app.backend.ends.get() is (TaskState.FINISHED if keeps_running else TaskState.STOPPED)


async def test_what_a_dependency_leaves_to_do_is_done_after_a_stream() -> None:
    """Background tasks of dependencies run when all was sent."""
    done: list[str] = []

    def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(done.append, "done")

    async def handler(_: None = Depends(later)) -> str:
        return "hello"

    app = await QueryApp().started(handler)
    async with client_of_failing(app) as client:
        assert "[DONE]" in (await client.post("/process", json=body("hello"))).text
    assert done == ["done"]


async def _raises(request: Any, call_next: Callable[[Any], Any]) -> Any:
    await call_next(request)
    raise RuntimeError("the middleware fails")


async def _times_out(request: Any, call_next: Callable[[Any], Any]) -> Any:
    async def answer() -> Any:
        await call_next(request)
        await asyncio.Event().wait()

    return await asyncio.wait_for(answer(), 0.1)


@pytest.mark.parametrize("middleware", [_raises, _times_out])
async def test_a_middleware_that_fails_leaves_no_run_behind(middleware: Any) -> None:
    """It takes the reader away from a stream that has begun."""
    app = QueryApp()
    app.middleware("http")(middleware)
    await app.started(waits)
    async with client_of_failing(app) as client, asyncio.timeout(5):
        assert (await client.post("/process", json=body("hello", session_id="s"))).status_code == 500
        assert await app.backend.ends.get() is TaskState.STOPPED


@pytest.mark.parametrize("streams", [True, False])
async def test_a_dependency_that_fails_before_the_response_leaves_no_run_behind(streams: bool) -> None:
    """Nobody would ever read a response that is not called."""

    def short_lived() -> Iterator[int]:
        yield 1
        raise RuntimeError("the teardown fails")

    async def handler(_: int = Depends(short_lived, scope="function")) -> AsyncGenerator[str, None]:
        for _number in range(10_000):
            yield "x"

    app = await QueryApp().started(handler)
    async with client_of_failing(app) as client, asyncio.timeout(5):
        answer = await client.post("/process", json={**body("hello", session_id="s"), "stream": streams})
        assert answer.status_code == 500
        assert await app.backend.ends.get() is (TaskState.STOPPED if streams else TaskState.FINISHED)


async def test_a_reader_who_has_all_is_not_kept_by_a_handler_that_goes_on() -> None:
    """A stream ends although the request does not: what it depends on is still used."""
    begun, gate = asyncio.Event(), asyncio.Event()
    closed = asyncio.Event()

    async def database() -> AsyncIterator[None]:
        yield
        closed.set()

    async def stubborn(_: None = Depends(database)) -> AsyncGenerator[str, None]:
        yield "first"
        begun.set()
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    app = await QueryApp().started(stubborn)
    ended = asyncio.Event()
    messages: list[Message] = [{"type": "http.request", "body": b'{"input": [], "session_id": "s"}'}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            ended.set()

    asking = asyncio.create_task(app(dict(SCOPE), receive, send))
    async with asyncio.timeout(5):
        await begun.wait()
        await app.runs.stop(("s", "s"))
        await ended.wait()
        assert not closed.is_set()
        gate.set()
        await asking
    assert closed.is_set()
