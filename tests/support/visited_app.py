"""A program that listens on a port, and shows in its answers how it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Visited:
    """What a test sees of it."""

    port: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody who listened to `/events` left."""
    sockets: list[tuple[int | None, str]] = field(default_factory=list)
    """How WebSockets were closed by their visitors."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def visited_app(host: str = "127.0.0.1") -> AsyncIterator[Visited]:
    """Serve it on a free port of loopback while the context is open."""
    seen = Visited()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_get("/socket", _socket(seen))
    app.router.add_get("/events", _events(seen))
    app.router.add_get("/broken", _broken)
    app.router.add_get("/status/{status}", _status)
    app.router.add_get("/long", _long)
    app.router.add_get("/cookie", _cookie)
    app.router.add_get("/to/{where:.*}", _redirect)
    app.router.add_get("/missing", _missing)
    app.router.add_post("/count", _count)
    app.router.add_route("*", "/{path:.*}", _echo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    seen.port = runner.addresses[0][1]
    try:
        yield seen
    finally:
        await runner.cleanup()


async def _echo(request: web.Request) -> web.Response:
    headers = [[name.decode(), value.decode("latin-1")] for name, value in request.raw_headers]
    body = {"method": request.method, "target": request.raw_path, "headers": headers}
    return web.json_response({**body, "body": (await request.read()).decode("latin-1")})


async def _count(request: web.Request) -> web.Response:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    return web.json_response({"size": size, "length": request.content_length})


async def _missing(_: web.Request) -> web.Response:
    return web.Response(status=404, text="the program knows no such page", headers={"Server": "program/1"})


async def _cookie(_: web.Request) -> web.Response:
    response = web.Response(text="cookies")
    response.headers.add("Set-Cookie", "a=1; Path=/")
    response.headers.add("Set-Cookie", "b=2; Domain=localhost; Path=/deep; HttpOnly")
    response.headers["Clear-Site-Data"] = '"cookies"'
    response.headers["Strict-Transport-Security"] = "max-age=1"
    return response


async def _redirect(request: web.Request) -> web.Response:
    assert request.transport is not None
    port = request.transport.get_extra_info("sockname")[1]
    local = f"http://localhost:{port}" if request.match_info["where"] == "whole" else ""
    return web.Response(status=302, headers={"Location": f"{local}/landed?x=1"})


async def _status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["status"]), text="x")


async def _long(_: web.Request) -> web.Response:
    return web.Response(headers={f"X-{number}": "x" * 5000 for number in range(14)})


async def _broken(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.abort()
    return response


def _events(seen: Visited) -> Handler:
    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await response.write(b"data: first\n\n")
            await asyncio.Event().wait()
        finally:
            seen.left.set()
        return response

    return events


def _socket(seen: Visited) -> Handler:
    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("chat",), max_msg_size=0)
        await socket.prepare(request)
        await socket.send_json({"protocol": socket.ws_protocol, "origin": request.headers.get("Origin")})
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.TEXT and message.data == "bye":
                await socket.close(code=4444, message=b"as you wish")
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            else:
                seen.sockets.append((socket.close_code, str(message.extra or "")))
                seen.closed.set()
                return socket

    return talk
