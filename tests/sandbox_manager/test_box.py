"""Talking to a box over real HTTP: the fake's boxes, and servers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType, web
from asked_boxes import died, fake_box, record, server

from agentscope_runtime.sandbox.errors import (
    CallTimeout,
    FileNotFound,
    InternalError,
    InvalidRequest,
    NotAuthorized,
    SandboxDied,
    SandboxError,
    StaleGeneration,
    StartFailed,
    Unavailable,
    UnknownTool,
)
from agentscope_runtime.sandbox_manager.backends import Unreachable
from agentscope_runtime.sandbox_manager.backends.fake_box import GREETING
from agentscope_runtime.sandbox_manager.box import Box, Boxes, box_session


@pytest.fixture
async def boxes() -> AsyncIterator[Boxes]:
    """Boxes with one HTTP session."""
    async with box_session() as session:
        yield Boxes(session)


async def test_a_call_carries_token_and_generation_and_returns_the_answer(boxes: Boxes) -> None:
    """The gateway adds what the box wants to see."""
    async with fake_box() as (fake, address):
        box = boxes.open(record(address, generation=3), died)
        body = {"arguments": {"command": "echo hi"}, "timeout": None}
        async with box.request("POST", "/tools/run_shell_command", json=body, timeout=5) as response:
            result = await response.json()
        assert [item["text"] for item in result["content"]] == ["echo hi", "0"]
        assert fake.generation == 3


async def test_files_stream_both_ways(boxes: Boxes) -> None:
    """An async iterator of bytes is sent as it comes; what comes back is the same."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536

    async with fake_box() as (_, address):
        box = boxes.open(record(address), died)
        params = {"path": "deep/er/file.bin"}
        async with box.request("PUT", "/files/content", params=params, data=chunks()) as response:
            assert (await response.json())["path"] == "/workspace/deep/er/file.bin"
        async with box.request("GET", "/files/content", params=params) as response:
            assert response.content_length == 64 * 65536
            assert sum([len(chunk) async for chunk in response.content.iter_any()]) == 64 * 65536


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/files/content?path=absent", FileNotFound),
        ("GET", "/files/content?path=../etc/passwd", InvalidRequest),
        ("POST", "/tools/none", UnknownTool),
    ],
)
async def test_a_problem_document_is_the_error_that_it_describes(
    boxes: Boxes, method: str, path: str, error: type[SandboxError]
) -> None:
    """Class and message are those of the box."""
    async with fake_box() as (_, address):
        with pytest.raises(error):
            async with boxes.open(record(address), died).request(method, path):
                pytest.fail("it answered")


async def test_an_older_lease_is_refused(boxes: Boxes) -> None:
    """The box has seen generation 2; calls of generation 1 come from a lease that is over."""
    async with fake_box() as (_, address):
        async with boxes.open(record(address, generation=2), died).request("GET", "/tools"):
            pass
        with pytest.raises(StaleGeneration):
            async with boxes.open(record(address, generation=1), died).request("GET", "/tools"):
                pytest.fail("it answered")
        await boxes.heartbeat(record(address, generation=0))  # the manager itself is never stale


async def test_a_wrong_token_is_refused(boxes: Boxes) -> None:
    """By every path but the health."""
    async with fake_box() as (_, address):
        with pytest.raises(NotAuthorized):
            async with boxes.open(record(address, token="wrong"), died).request("GET", "/tools"):
                pytest.fail("it answered")


async def test_an_answer_that_is_no_problem_document_is_an_internal_error(boxes: Boxes) -> None:
    """With the status, and the beginning of what it said."""

    async def crash(_: web.Request) -> web.Response:
        return web.Response(status=500, text="Server got itself in trouble")

    async with server(crash) as address:
        with pytest.raises(InternalError, match=r"HTTP 500.*got itself in trouble"):
            async with boxes.open(record(address), died).request("GET", "/tools"):
                pytest.fail("it answered")


async def test_a_box_that_is_gone_gives_the_verdict(boxes: Boxes) -> None:
    """Nobody listens any more: whoever looked at the container says what became of it."""
    async with fake_box() as (_, address):
        box = boxes.open(record(address), died)
    with pytest.raises(SandboxDied):
        async with box.request("GET", "/tools"):
            pytest.fail("it answered")


async def test_a_box_that_dies_in_mid_call_gives_the_verdict(boxes: Boxes) -> None:
    """The connection breaks while the answer is waited for."""
    async with fake_box() as (fake, address):
        body = {"arguments": {"command": "sleep 60"}}

        async def call() -> None:
            async with boxes.open(record(address), died).request("POST", "/tools/run_shell_command", json=body):
                pytest.fail("it answered")

        calling = asyncio.create_task(call())
        async with asyncio.timeout(5):
            await fake.called.wait()
            await fake.close()
            with pytest.raises(SandboxDied):
                await calling


async def test_a_box_that_dies_in_mid_download_gives_the_verdict(boxes: Boxes) -> None:
    """Half of the body is no answer."""
    sent = asyncio.Event()

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        sent.set()
        assert request.transport is not None
        request.transport.abort()
        return response

    async with server(half) as address:
        with pytest.raises(SandboxDied):
            async with boxes.open(record(address), died).request("GET", "/files/content") as response:
                await response.read()
    assert sent.is_set()


async def test_a_call_that_takes_too_long_is_a_timeout(boxes: Boxes) -> None:
    """In its own time, and with its path."""

    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with server(never) as address:
        with pytest.raises(CallTimeout, match=r"did not answer /tools/x within 0\.1 s"):
            async with boxes.open(record(address), died).request("POST", "/tools/x", timeout=0.1):
                pytest.fail("it answered")


async def test_errors_of_the_caller_pass_through(boxes: Boxes) -> None:
    """What goes wrong inside the context for other reasons is not taken for the box's fault."""
    async with fake_box() as (_, address):
        with pytest.raises(ZeroDivisionError):
            async with boxes.open(record(address), died).request("GET", "/tools"):
                _ = 1 / 0


async def test_a_sandbox_without_an_address_is_unavailable(boxes: Boxes) -> None:
    """It is still starting."""
    with pytest.raises(Unavailable, match="has no address yet"):
        async with boxes.open(record(None), died).request("GET", "/tools"):
            pytest.fail("it answered")


async def test_knocking_tells_apart_nobody_there_and_not_ready(boxes: Boxes) -> None:
    """Nobody there is tried again; a box that says that it cannot get ready is believed."""

    async def broken(request: web.Request) -> web.Response:
        problem = StartFailed("Chromium has no page; its log: crashed").to_problem()
        return web.json_response(problem, status=503, content_type="application/problem+json")

    async with fake_box() as (fake, address):
        await boxes.ready(record(address), 1.0)
        await boxes.heartbeat(record(address))
        assert fake.heartbeats == 1
    with pytest.raises(Unreachable):
        await boxes.ready(record(address), 1.0)
    with pytest.raises(Unreachable):
        await boxes.heartbeat(record(address))
    async with server(broken) as address:
        with pytest.raises(StartFailed, match="Chromium has no page"):
            await boxes.ready(record(address), 1.0)


async def test_the_desktop_is_reached_with_the_token(boxes: Boxes) -> None:
    """Binary both ways; without the token it is refused."""
    async with fake_box(has_desktop=True) as (_, address):
        async with boxes.open(record(address), died).websocket() as socket:
            assert socket.protocol == "binary"
            assert await socket.receive_bytes() == GREETING
            await socket.send_bytes(b"\x00\x01")
            message = await socket.receive()
            assert (message.type, message.data) == (WSMsgType.BINARY, b"\x00\x01")
        with pytest.raises(SandboxDied):  # the verdict; a refused handshake says nothing more
            async with boxes.open(record(address, token="wrong"), died).websocket():
                pytest.fail("it opened")


async def test_a_sandbox_without_a_desktop_says_so(boxes: Boxes) -> None:
    """A base sandbox cannot be watched."""
    async with fake_box() as (_, address):
        box: Box = boxes.open(record(address), died)
        with pytest.raises(InvalidRequest, match="has no desktop"):
            async with box.websocket():
                pytest.fail("it opened")
