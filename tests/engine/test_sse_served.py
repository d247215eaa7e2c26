"""The stream on a real socket, by a real server: what a client that is slow or gone does to the producer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI, Request, Response
from served_app import post, served

from agentscope_runtime.engine.channel import Channel
from agentscope_runtime.engine.schemas.agent_schemas import TextContent
from agentscope_runtime.engine.sse import EventStream


def app_with(channel: Channel, on_disconnect: Callable[[], Awaitable[None]]) -> FastAPI:
    """Return an application that streams a channel."""
    app = FastAPI()

    @app.post("/stream")
    async def stream() -> EventStream:
        return EventStream(channel.batches(), on_disconnect=on_disconnect)

    return app


@pytest.mark.parametrize("middleware", [False, True])
async def test_a_client_that_leaves(middleware: bool) -> None:
    """The server hears of it although it has nothing to send, and although the application has middleware."""
    channel = Channel()
    left = asyncio.Event()

    async def on_disconnect() -> None:
        await asyncio.sleep(0)  # it may take its time
        left.set()

    async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    app = app_with(channel, on_disconnect)
    if middleware:
        app.middleware("http")(pass_on)
    async with served(app) as port:
        await channel.put([TextContent(text="a")])
        answer = await post(port, "/stream")
        assert b"text/event-stream; charset=utf-8" in answer.head
        assert b'"text":"a"' in await answer.line()
        await answer.leave()
        async with asyncio.timeout(10):
            await left.wait()


async def test_a_client_that_does_not_read() -> None:
    """When all buffers on the way are full, the producer is held; when the client reads on, nothing was lost."""
    channel = Channel(limit=4)
    held = asyncio.Event()
    count = 200

    async def on_disconnect() -> None:
        raise AssertionError("the client did not leave")

    async def produce() -> None:
        for number in range(count):
            putting = asyncio.create_task(channel.put([TextContent(index=number, text="x" * (1 << 16))]))
            if not (await asyncio.wait([putting], timeout=0.3))[0]:
                held.set()
                await putting
        channel.finish()

    async with served(app_with(channel, on_disconnect)) as port, asyncio.timeout(30):
        answer = await post(port, "/stream")
        producer = asyncio.create_task(produce())
        await held.wait()
        assert not producer.done()
        for number in range(count):
            assert b'"index":%d,' % number in await answer.line()
        assert await answer.line() == b"data: [DONE]"
        await producer
        await answer.leave()
