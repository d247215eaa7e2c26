"""WebSockets of boxes: how they open, and what a refusal means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType, web
from asked_boxes import TOKEN, died, record, server

from agentscope_runtime.sandbox.errors import CallTimeout, FileNotFound, InternalError, SandboxDied
from agentscope_runtime.sandbox_manager.box import Boxes, box_session


@pytest.fixture
async def boxes() -> AsyncIterator[Boxes]:
    """Boxes with one HTTP session."""
    async with box_session() as session:
        yield Boxes(session)


async def test_a_socket_carries_token_generation_and_subprotocol(boxes: Boxes) -> None:
    """Text and binary pass as they are, and the box's close code and reason arrive."""

    async def greet(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("b",))
        await socket.prepare(request)
        names = ("Authorization", "X-Sandbox-Generation", "X-Further")
        await socket.send_json([request.path_qs, *(request.headers.get(name) for name in names)])
        await socket.send_bytes((await socket.receive_str()).encode())
        await socket.close(code=4321, message=b"enough")
        return socket

    async with server(greet) as address:
        box = boxes.open(record(address, generation=5), died)
        async with box.socket("/x", params={"q": "1"}, protocols=("a", "b"), headers={"X-Further": "y"}) as socket:
            assert socket.protocol == "b"
            assert await socket.receive_json() == ["/x?q=1", f"Bearer {TOKEN}", "5", "y"]
            await socket.send_str("hi")
            assert await socket.receive_bytes() == b"hi"
            end = await socket.receive()
            assert (end.type, end.data, end.extra) == (WSMsgType.CLOSE, 4321, "enough")


async def test_a_refused_socket_is_the_error_that_the_box_describes(boxes: Boxes) -> None:
    """Its document comes in a header; without one, only the status is known."""

    async def refuse(request: web.Request) -> web.Response:
        headers = {"X-Problem": json.dumps(FileNotFound("there is no x").to_problem())} if request.query else {}
        return web.Response(status=404, headers=headers)

    async with server(refuse) as address:
        box = boxes.open(record(address), died)
        with pytest.raises(FileNotFound, match="there is no x"):
            async with box.socket("/x", params={"described": "1"}):
                pytest.fail("it opened")
        with pytest.raises(InternalError, match="HTTP 404"):
            async with box.socket("/x"):
                pytest.fail("it opened")


async def test_a_socket_that_does_not_open_is_a_timeout_and_a_gone_box_its_verdict(boxes: Boxes) -> None:
    """Neither is waited for."""

    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with server(never) as address:
        box = boxes.open(record(address), died)
        with pytest.raises(CallTimeout, match=r"did not open /x within 0\.1 s"):
            async with box.socket("/x", timeout=0.1):
                pytest.fail("it opened")
    with pytest.raises(SandboxDied):
        async with box.socket("/x"):
            pytest.fail("it opened")


async def test_a_box_does_not_send_the_manager_elsewhere(boxes: Boxes) -> None:
    """A redirection is an answer like any other: nobody follows it with the token in hand."""
    followed = []

    async def redirect(request: web.Request) -> web.Response:
        followed.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with server(redirect) as address:
        async with boxes.open(record(address), died).request("GET", "/tools") as response:
            assert response.status == 302
        with pytest.raises(InternalError, match="HTTP 302"):
            async with boxes.open(record(address), died).socket("/tools"):
                pytest.fail("it opened")
    assert followed == ["/tools", "/tools"]
