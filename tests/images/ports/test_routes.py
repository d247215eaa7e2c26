"""Programs on ports, asked through the box server: heads pass untouched, bodies stream, and failures are said."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from visited_app import Visited, visited_app

from sandbox_server.ports.routes import HEAD, HEAD_LIMIT, PortRoutes
from sandbox_server.problems import problems

Client = aiohttp.ClientSession


@pytest.fixture
async def box() -> AsyncIterator[Client]:
    """The routes alone, on loopback."""
    app = web.Application(middlewares=[problems])
    ports = PortRoutes(frozenset({7000}))
    app.router.add_routes(ports.routes())
    app.on_cleanup.append(ports.close)
    runner = web.AppRunner(app, shutdown_timeout=0.01, max_field_size=HEAD_LIMIT)  # as `listening` does
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    where = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with Client(where, max_line_size=HEAD_LIMIT, max_field_size=HEAD_LIMIT) as client:
        yield client
    await runner.cleanup()


@pytest.fixture
async def program() -> AsyncIterator[Visited]:
    """A program that listens."""
    async with visited_app() as seen:
        yield seen


ADDED = {"Connection", "Content-Length"}
"""What the box's own client adds, since each connection to a program is used once."""


def head(method: str = "GET", target: str = "/", *headers: tuple[str, str], has_body: bool = False) -> dict[str, str]:
    """Return the header in which a request's head stands."""
    members = {"method": method, "target": target, "headers": [("host", "localhost"), *headers], "has_body": has_body}
    return {HEAD: json.dumps(members)}


@asynccontextmanager
async def asked(
    box: Client, port: int, told: dict[str, str], data: Any = None
) -> AsyncIterator[tuple[int, dict[str, str], aiohttp.ClientResponse]]:
    """Ask a program; yields its status, its headers and the box's answer."""
    async with box.post(f"/ports/{port}", headers=told, data=data) as answer:
        assert answer.status == 200, await answer.text()
        members = json.loads(answer.headers[HEAD])
        yield members["status"], {name.lower(): value for name, value in members["headers"]}, answer


async def test_a_program_gets_what_its_visitor_sent_and_nothing_else(box: Client, program: Visited) -> None:
    """Path and escapes as they came, headers in order and twice where they came twice, none of ours."""
    target = "/a/../b%2Fc//%7e?q=%20&q=%C3%BC"
    sent = head("PUT", target, ("X-Twice", "1"), ("X-Twice", "2"), ("Authorization", "Basic own"))
    async with asked(box, program.port, sent) as (status, headers, answer):
        told = await answer.json(content_type=None)
    assert status == 200
    assert headers["content-type"].startswith("application/json")
    assert told["method"] == "PUT"
    assert told["target"] == target
    assert [[name.lower(), value] for name, value in told["headers"] if name not in ADDED] == [
        ["host", "localhost"],
        ["x-twice", "1"],
        ["x-twice", "2"],
        ["authorization", "Basic own"],
    ]


async def test_bodies_stream_both_ways(box: Client, program: Visited) -> None:
    """With and without a length."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536

    size = 64 * 65536
    for length in ([], [("Content-Length", str(size))]):
        async with asked(box, program.port, head("POST", "/count", *length, has_body=True), chunks()) as told:
            assert await told[2].json(content_type=None) == {"size": size, "length": size if length else None}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "PATCH"])
async def test_every_method_passes(box: Client, program: Visited, method: str) -> None:
    """A HEAD's answer has the length of what it does not carry."""
    async with asked(box, program.port, head(method, "/x")) as (status, headers, answer):
        body = await answer.read()
    assert status == 200
    assert bool(body) is (method != "HEAD")
    assert int(headers["content-length"]) > 0


async def test_a_programs_refusal_and_redirection_are_its_own(box: Client, program: Visited) -> None:
    """They reach the visitor; nobody follows or translates them on the way."""
    async with asked(box, program.port, head("GET", "/missing")) as (status, headers, answer):
        assert (status, headers["server"], await answer.text()) == (404, "program/1", "the program knows no such page")
    async with asked(box, program.port, head("GET", "/to/whole")) as (status, headers, _):
        assert (status, headers["location"]) == (302, f"http://localhost:{program.port}/landed?x=1")


@pytest.mark.parametrize("status", ["600", "999"])
async def test_a_status_that_is_none_is_not_passed_on(box: Client, program: Visited, status: str) -> None:
    """Servers between here and the visitor know no line for it."""
    async with box.post(f"/ports/{program.port}", headers=head("GET", f"/status/{status}")) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (502, "port_failed")


async def test_the_program_hears_when_its_visitor_leaves(box: Client, program: Visited) -> None:
    """An answer that waits is not waited for any more."""
    async with asked(box, program.port, head("GET", "/events")) as (_, __, answer):
        assert await answer.content.readline() == b"data: first\n"
        assert not program.left.is_set()
    async with asyncio.timeout(5):
        await program.left.wait()


async def test_an_answer_that_breaks_off_does_not_look_whole(box: Client, program: Visited) -> None:
    """The visitor's connection breaks, too."""
    async with asked(box, program.port, head("GET", "/broken")) as (_, __, answer):
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_who_listens_on_ipv6_alone_is_found(box: Client) -> None:
    """Some development servers do."""
    async with visited_app("::1") as program, asked(box, program.port, head()) as (status, _, __):
        assert status == 200


async def silent(close: bool) -> AsyncIterator[int]:
    """Listen and say nothing, or nothing that is HTTP."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not close:
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nobody", "nothing listens on port"),
        ("closing", "closed the connection without an answer"),
        ("ssh", "does not speak HTTP"),
    ],
)
async def test_what_keeps_a_program_from_answering_is_said(box: Client, what: str, words: str) -> None:
    """As a problem with a code of its own, for calls and WebSockets alike."""
    if what == "nobody":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        listening = None
    else:
        listening = silent(what == "closing")
        port = await anext(listening)
    async with box.post(f"/ports/{port}", headers=head()) as answer:
        problem = await answer.json(content_type=None)
    assert (answer.status, problem["code"]) == (502, "port_failed")
    assert words in problem["detail"] and str(port) in problem["detail"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await box.ws_connect(f"/ports/{port}", headers=head())
    assert refusal.value.status == 502
    assert refusal.value.headers is not None
    assert json.loads(refusal.value.headers["X-Problem"])["code"] == "port_failed"
    if listening is not None:
        await listening.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("port", ["0", "65536", "7000", "x", "-1", "08080", "٣", "999999"])
async def test_some_ports_are_not_visited(box: Client, port: str) -> None:
    """Neither the box's own, nor what is none."""
    async with box.get(f"/ports/{port}") as answer:
        assert answer.status == (204 if port == "08080" else 422)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "[]",
        '{"method":"GET"}',
        '{"method":"GET","target":"x","headers":[],"has_body":false}',
        '{"method":"G T","target":"/","headers":[],"has_body":false}',
        '{"method":"GET","target":"/","headers":[["a\\n","b\\r\\nc: d"]],"has_body":false}',
        '{"method":"GET","target":"/","headers":[1],"has_body":false}',
    ],
)
async def test_what_is_no_head_is_refused(box: Client, program: Visited, value: str) -> None:
    """Line breaks in headers included: they would be further headers."""
    async with box.post(f"/ports/{program.port}", headers={HEAD: value}) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (422, "invalid_request")


async def test_a_websocket_passes_messages_subprotocol_and_close_codes(box: Client, program: Visited) -> None:
    """Text as text, bytes as bytes, and either side's goodbye reaches the other."""
    told = head("GET", "/socket", ("Origin", "http://localhost:1"))
    async with box.ws_connect(f"/ports/{program.port}", headers=told, protocols=("x", "chat")) as visitor:
        assert visitor.protocol == "chat"
        assert await visitor.receive_json() == {"protocol": "chat", "origin": "http://localhost:1"}
        for text in ("hello", ""):
            await visitor.send_str(text)
            assert await visitor.receive_str() == text
        await visitor.send_bytes(bytes(1 << 20))
        assert await visitor.receive_bytes() == bytes(1 << 20)
        await visitor.close(code=4001, message=b"done")
    async with asyncio.timeout(5):
        await program.closed.wait()
    assert program.sockets == [(4001, "done")]
    async with box.ws_connect(f"/ports/{program.port}", headers=told) as visitor:
        await visitor.receive()
        await visitor.send_str("bye")
        end = await visitor.receive()
        assert (end.type, end.data, end.extra) == (aiohttp.WSMsgType.CLOSE, 4444, "as you wish")


async def test_a_program_that_refuses_the_websocket_is_quoted(box: Client, program: Visited) -> None:
    """With its status; a redirection is a refusal, too, since nobody follows it."""
    for target, status in (("/missing", "404"), ("/to/elsewhere", "302")):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await box.ws_connect(f"/ports/{program.port}", headers=head("GET", target))
        assert refusal.value.headers is not None
        assert f"HTTP {status}" in json.loads(refusal.value.headers["X-Problem"])["detail"]
