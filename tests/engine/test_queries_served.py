"""Queries on a real socket, by a real server: clients that leave, that do not read, and sessions that are stopped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asking import body
from fastapi import FastAPI
from query_app import QueryApp
from served_app import post, served

from agentscope_runtime.engine.interrupts import TaskState


class Scene:
    """A handler that says a word and then waits, and what became of it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ends: list[str] = []

    async def handler(self) -> AsyncGenerator[str, None]:
        """Say a word, and a last one when it may."""
        try:
            yield "first"
            self.begun.set()
            await self.go_on.wait()
            yield " last"
            self.ends.append("finished")
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise


async def asked(port: int) -> asyncio.StreamWriter:
    """Ask in the session `s` without waiting for an answer; whoever closes the result has left."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body(session_id="s")).encode()
    head = f"POST /process HTTP/1.1\r\nHost: agent\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
    writer.write(f"{head}\r\n\r\n".encode() + data)
    return writer


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("middleware", [False, True])
async def test_a_client_that_leaves_stops_its_run(streams: bool, middleware: bool) -> None:
    """When the client is gone the handler is cancelled, though it says nothing, and the session is free."""
    scene = Scene()
    app = await QueryApp(streams=streams).started(scene.handler)
    if middleware:

        @app.middleware("http")
        async def pass_on(request: Any, call_next: Any) -> Any:
            return await call_next(request)

    async with served(app) as port, asyncio.timeout(20):
        writer = await asked(port)
        await scene.begun.wait()
        writer.close()
        await writer.wait_closed()
        assert await app.backend.ends.get() is TaskState.STOPPED
        assert scene.ends == ["cancelled"]


@pytest.mark.parametrize("streams", [True, False])
async def test_a_run_may_go_on_without_its_client(streams: bool) -> None:
    """Where runs go on when their reader leaves, the handler comes to its end, and until then the session is busy."""
    scene = Scene()
    app = await QueryApp(streams=streams, keeps_running=True).started(scene.handler)
    async with served(app) as port, asyncio.timeout(20):
        writer = await asked(port)
        await scene.begun.wait()
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.1)  # for the server to notice
        refused = await post(port, "/process", body(session_id="s"))
        assert b"409" in refused.head
        await refused.leave()
        scene.go_on.set()
        assert await app.backend.ends.get() is TaskState.FINISHED
        assert scene.ends == ["finished"]


async def test_a_client_that_does_not_read_holds_the_handler() -> None:
    """When all buffers on the way are full, the handler is not asked for more, until the client reads on."""
    said = 0

    async def handler() -> AsyncGenerator[str, None]:
        nonlocal said
        while True:
            said += 1
            yield "x" * (1 << 16)

    async def held() -> int:
        before = -1
        while said != before:
            before = said
            await asyncio.sleep(0.3)
        return said

    async with served(await QueryApp().started(handler)) as port, asyncio.timeout(30):
        answer = await post(port, "/process", body())
        ahead = await held()
        assert 0 < ahead < 1_000
        for number in range(ahead):
            assert b'"sequence_number":%d,' % number in await answer.line()
        assert ahead < await held() < 3_000
        await answer.leave()


async def test_a_slow_client_can_be_stopped() -> None:
    """A handler that waits for its reader is cancelled at its `yield`; the reader reads what there was, and the end."""
    heard = asyncio.Event()

    async def handler() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "x"
        except asyncio.CancelledError:
            heard.set()
            raise

    app = await QueryApp().started(handler)
    async with served(app) as port, asyncio.timeout(30):
        answer = await post(port, "/process", body(session_id="s"))
        await asyncio.sleep(1)  # for all buffers to fill
        assert await app.runs.stop(("s", "s"))
        await heard.wait()
        assert await app.backend.ends.get() is TaskState.STOPPED
        lines = [await answer.line()]
        while lines[-1] != b"data: [DONE]":
            lines.append(await answer.line())
        numbers = [json.loads(line.removeprefix(b"data: "))["sequence_number"] for line in lines[:-1]]
        assert numbers == list(range(len(numbers)))
        assert b'"object":"response","status":"canceled"' in lines[-2]
        await answer.leave()


async def test_a_stop_closes_the_connection() -> None:
    """Whoever reads a run that is stopped reads its end at once."""
    scene = Scene()
    app = await QueryApp().started(scene.handler)
    async with served(app) as port, asyncio.timeout(20):
        answer = await post(port, "/process", body(session_id="s"))
        await scene.begun.wait()
        start = asyncio.get_running_loop().time()
        assert await app.runs.stop(("s", "s"))
        while await answer.line() != b"data: [DONE]":
            pass
        assert asyncio.get_running_loop().time() - start < 0.5
        await answer.leave()


async def test_a_server_that_stops_cancels_its_runs() -> None:
    """A server that does not wait any longer for a stream stops the run; its handler cleans up."""
    scene = Scene()
    app = await QueryApp().started(scene.handler)
    async with asyncio.timeout(20):
        async with served(app) as port:
            answer = await post(port, "/process", body(session_id="s"))
            await scene.begun.wait()
        await answer.leave()
        assert await app.backend.ends.get() is TaskState.STOPPED
    assert scene.ends == ["cancelled"]


async def test_the_end_of_the_application_stops_runs_without_a_client() -> None:
    """Runs that go on in the background are stopped when the application ends."""
    scene = Scene()
    app = await QueryApp(keeps_running=True).started(scene.handler)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await app.runs.aclose()

    app.router.lifespan_context = lifespan
    async with asyncio.timeout(20):
        async with served(app) as port:
            answer = await post(port, "/process", body(session_id="s"))
            await scene.begun.wait()
            await answer.leave()
    assert scene.ends == ["cancelled"]
