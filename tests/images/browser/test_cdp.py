"""The server's own connection to Chromium, tried on a Chromium that says what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox_server.browser.cdp import Cdp, CdpError
from sandbox_server.parts import PartFailed

Speak = Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def chromium(speak: Speak) -> AsyncIterator[Cdp]:
    """Run a server that does this with each message, and connect to it."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await speak(socket, message.json())
        return socket

    app = web.Application()
    app.router.add_get("/devtools/browser/x", handle)
    async with TestServer(app) as server, Cdp.connected(str(server.make_url("/devtools/browser/x"))) as cdp:
        yield cdp


async def test_answers_find_their_questions() -> None:
    """In whatever order they come."""
    held: list[dict[str, Any]] = []

    async def speak(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        held.append(message)
        if len(held) == 2:
            for each in reversed(held):
                await socket.send_json({"id": each["id"], "result": {"asked": each["method"]}})

    async with chromium(speak) as cdp:
        one, two = await asyncio.gather(cdp.send("One.ask"), cdp.send("Two.ask", {"x": 1}, "session"))
    assert (one, two) == ({"asked": "One.ask"}, {"asked": "Two.ask"})
    assert held[1] == {"id": 2, "method": "Two.ask", "params": {"x": 1}, "sessionId": "session"}


async def test_a_refusal_says_what_was_asked() -> None:
    """In Chromium's words."""

    async def speak(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await socket.send_json({"id": message["id"], "error": {"code": -32000, "message": "No such thing"}})

    async with chromium(speak) as cdp:
        with pytest.raises(CdpError, match=r"Thing\.get: No such thing"):
            await cdp.send("Thing.get")


async def test_events_reach_who_waits_for_them() -> None:
    """Those of the browser every listener, those of a session the one who expects them; others nobody."""
    heard: list[tuple[str, dict[str, Any]]] = []

    async def speak(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await socket.send_json({"method": "Browser.seen", "params": {"n": 1}})
        await socket.send_json({"method": "Page.seen", "params": {"n": 2}, "sessionId": "other"})
        await socket.send_json({"method": "Page.seen", "params": {"n": 3}, "sessionId": "mine"})
        await socket.send_json({"id": message["id"], "result": {}})

    async with chromium(speak) as cdp:
        cdp.listen(lambda event, said: heard.append((event, said)))
        expected, given_up = cdp.expect("Page.seen", "mine"), cdp.expect("Page.gone", "mine")
        given_up.cancel()
        await cdp.send("Start.it")
        assert await expected == {"n": 3}
        await cdp.send("Start.it")
    assert heard == [("Browser.seen", {"n": 1})] * 2


async def test_the_end_of_the_browser_ends_all_waiting() -> None:
    """Instead of leaving it to its time-outs."""

    async def speak(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await socket.close()

    async with chromium(speak) as cdp:
        event = cdp.expect("Page.seen", "mine")
        with pytest.raises(ConnectionError):
            await cdp.send("Wait.long")
        with pytest.raises(ConnectionError):
            await event
        with pytest.raises(ConnectionError):
            await cdp.send("Too.late")


async def test_a_browser_that_does_not_answer_is_a_failed_part() -> None:
    """With the reason."""
    with pytest.raises(PartFailed, match="does not answer by CDP"):
        async with Cdp.connected("ws://127.0.0.1:9/devtools"):
            pass
