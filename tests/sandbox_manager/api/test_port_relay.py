"""Passing visitors' calls on: streams, WebSockets, and how they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from served_manager import Manager
from served_manager import manager as run_manager
from visited_app import Visited, visited_app
from visited_manager import Visitor, close_ports, link, opened, real_ports
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol


@pytest.fixture
async def program() -> AsyncIterator[Visited]:
    """A program that listens."""
    async with visited_app() as seen:
        yield seen


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """A manager whose boxes reach it."""
    with real_ports():
        async with run_manager(tmp_path) as running:
            yield running
        await close_ports()


async def by_path(manager: Manager, program: Visited) -> tuple[str, str]:
    """Return an address by path, and its sandbox."""
    (sandbox,) = await manager.lease("base")
    return await link(manager, sandbox, program.port, path=True), sandbox


@asynccontextmanager
async def socket(
    manager: Manager, visitor: Visitor, origin: str, *, page: str | None = "own"
) -> AsyncIterator[ClientConnection]:
    """Open the program's WebSocket as a page of that origin would."""
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    async with connect(
        f"{origin.replace('http', 'ws')}/socket",
        host="127.0.0.1",
        port=int(manager.host.split(":")[1]),
        origin=Origin(origin) if page == "own" else Origin(page) if page else None,
        additional_headers={"Cookie": cookies},
        subprotocols=[Subprotocol("x"), Subprotocol("chat")],
        proxy=None,
    ) as opened_socket:
        yield opened_socket


async def test_bodies_of_any_size_stream_through(manager: Manager, program: Visited) -> None:
    """No limit of the manager's own calls is theirs."""
    url, _ = await by_path(manager, program)
    size = 8 << 20

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size >> 16):
            yield bytes(1 << 16)

    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        for length in ({}, {"Content-Length": str(size)}):
            answer = await http.post(f"{url}count", content=chunks(), headers=length)
            assert answer.json() == {"size": size, "length": size if length else None}


async def test_methods_statuses_and_lengths_pass(manager: Manager, program: Visited) -> None:
    """Of answers without a body, too."""
    url, _ = await by_path(manager, program)
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        head = await http.head(url)
        assert (head.status_code, head.content) == (200, b"") and int(head.headers["content-length"]) > 0
        missing = await http.get(f"{url}missing")
        assert (missing.status_code, missing.text, missing.headers["server"]) == (
            404,
            "the program knows no such page",
            "program/1",
        )
        assert len(missing.headers.get_list("date")) == 1
        assert (await http.patch(url, content=b"x" * 10)).json()["body"] == "x" * 10


async def test_heads_that_are_too_long_are_refused(manager: Manager, program: Visited) -> None:
    """Each way, and by who is to blame for them."""
    url, _ = await by_path(manager, program)
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        several = {f"X-{number}": "x" * 7000 for number in range(4)}
        assert (await http.get(url, headers=several)).status_code == 200
        asked = await http.get(url, headers={"X-Long": '"' * 31_000})
        assert (asked.status_code, asked.json()["code"]) == (422, "invalid_request")
        answered = await http.get(f"{url}long")
        assert (answered.status_code, answered.json()["code"]) == (502, "port_failed")


async def test_redirections_and_cookies_stay_with_the_visited_place(manager: Manager, program: Visited) -> None:
    """Whole or not, by host and by path; what would reach beyond it is dropped."""
    visitor, origin, sandbox = await opened(manager, program)
    url = await link(manager, sandbox, program.port, path=True)
    for base in (origin, url.rstrip("/")):
        for where in ("whole", "there"):
            answer = await visitor.get(f"{base}/to/{where}")
            assert httpx.URL(f"{base}/").join(answer.headers["location"]) == f"{base}/landed?x=1"
        answer = await visitor.get(f"{base}/cookie")
        assert "clear-site-data" not in answer.headers and "strict-transport-security" not in answer.headers
        cookies = answer.headers.get_list("set-cookie")
        path = httpx.URL(f"{base}/").path
        name = "preview-" if base != origin else ""
        assert cookies == [f"{name}a=1; Path={path}", f"{name}b=2; HttpOnly; Path={path}deep"]
    answer = await visitor.get(f"{url}x")
    assert ["cookie", "a=1; b=2"] in [[name.lower(), value] for name, value in answer.json()["headers"]]


async def test_events_arrive_as_they_are_said_and_leaving_is_heard(manager: Manager, program: Visited) -> None:
    """It is activity as long as it lasts."""
    url, sandbox = await by_path(manager, program)
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http, http.stream("GET", f"{url}events") as answer:
        assert await anext(answer.aiter_bytes()) == b"data: first\n\n"
        assert sandbox in manager.pool.activity.running()
    async with asyncio.timeout(5):
        await program.left.wait()
    while sandbox in manager.pool.activity.running():  # noqa: ASYNC110 - the pool tells nobody
        await asyncio.sleep(0.01)


async def test_an_answer_that_breaks_off_does_not_look_whole(manager: Manager, program: Visited) -> None:
    """The visitor's connection breaks, too."""
    url, _ = await by_path(manager, program)
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"{url}broken")


async def test_the_end_of_the_lease_ends_streams(manager: Manager, program: Visited) -> None:
    """At once; the program hears of it."""
    url, sandbox = await by_path(manager, program)
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http, http.stream("GET", f"{url}events") as answer:
        chunks = answer.aiter_bytes()
        await anext(chunks)
        await manager.pool.release_sandbox(sandbox)
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(chunks)


async def test_websockets_pass_with_subprotocol_and_close_code(manager: Manager, program: Visited) -> None:
    """Text as text and bytes as bytes; the program sees an Origin that it knows."""
    visitor, origin, _ = await opened(manager, program)
    async with socket(manager, visitor, origin) as talk:
        assert talk.subprotocol == "chat"
        first = json.loads(await talk.recv())
        assert first == {"protocol": "chat", "origin": f"http://localhost:{program.port}"}
        for words in ("text", "", b"bytes", bytes(1 << 20)):
            await talk.send(words)
            assert await talk.recv() == words
        await talk.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            await talk.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4444, "as you wish")
    program.closed.clear()
    async with socket(manager, visitor, origin) as talk:
        await talk.recv()
    async with asyncio.timeout(5):
        await program.closed.wait()  # with which code, real boxes tell: these ones cancel whom nobody waits for


async def test_websockets_of_other_pages_are_refused(manager: Manager, program: Visited) -> None:
    """As are those without a cookie; a program that is no browser names no Origin, and may."""
    visitor, origin, _ = await opened(manager, program)
    for who, page in ((visitor, "http://evil.example"), (visitor, "null"), (Visitor(manager), "own")):
        with pytest.raises(InvalidStatus) as refusal:
            async with socket(manager, who, origin, page=page):
                pass
        assert refusal.value.response.status_code in (401, 403)
    async with socket(manager, visitor, origin, page=None) as talk:
        await talk.recv()


async def test_a_websocket_ends_with_the_lease_and_with_the_reason(manager: Manager, program: Visited) -> None:
    """And before it opens, what keeps it from opening is its answer."""
    visitor, origin, sandbox = await opened(manager, program)
    async with socket(manager, visitor, origin) as talk:
        await talk.recv()
        await manager.pool.release_sandbox(sandbox)
        with pytest.raises(ConnectionClosed) as closed:
            await talk.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4010, "The sandbox was released.")
    with pytest.raises(InvalidStatus) as refusal:
        async with socket(manager, visitor, origin):
            pass
    assert refusal.value.response.status_code == 404


async def test_a_page_by_path_opens_websockets_without_an_origin(manager: Manager, program: Visited) -> None:
    """It says `null`; the program hears what it knows."""
    url, _ = await by_path(manager, program)
    async with connect(f"{url.replace('http', 'ws')}socket", origin=Origin("null"), proxy=None) as talk:
        assert json.loads(await talk.recv())["origin"] == f"http://localhost:{program.port}"


async def test_a_websocket_to_nobody_says_so(manager: Manager) -> None:
    """With the same problem as a call."""
    (sandbox,) = await manager.lease("base")
    url = await link(manager, sandbox, 1, path=True)
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(url.replace("http", "ws"), proxy=None):
            pass
    assert refusal.value.response.status_code == 502
    assert json.loads(refusal.value.response.body)["code"] == "port_failed"


@pytest.mark.parametrize("message", [b"x" * (17 << 20), [b""] * 20_000], ids=("bytes", "pieces"))
async def test_messages_of_visitors_are_bounded(
    manager: Manager, program: Visited, message: bytes | list[bytes]
) -> None:
    """In bytes, and in pieces, which cost memory even without bytes: visitors hold no key."""
    url, _ = await by_path(manager, program)
    async with connect(f"{url.replace('http', 'ws')}socket", proxy=None) as talk:
        await talk.recv()
        with pytest.raises(ConnectionClosed) as closed:
            await talk.send(message)
            await talk.recv()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


async def test_websockets_of_visitors_are_counted(manager: Manager, program: Visited) -> None:
    """One too many is told so, and gets in when another has left."""
    url, _ = await by_path(manager, program)
    place = f"{url.replace('http', 'ws')}socket"
    async with AsyncExitStack() as stack:
        talks = [await stack.enter_async_context(connect(place, proxy=None)) for _ in range(32)]
        with pytest.raises(InvalidStatus) as refusal:
            await stack.enter_async_context(connect(place, proxy=None))
        assert refusal.value.response.status_code == 503
        await talks[0].close()
        async with connect(place, proxy=None) as talk:
            await talk.recv()


async def test_calls_of_visitors_are_counted(manager: Manager, program: Visited) -> None:
    """Each takes open files of the manager, which is everybody's: one too many is refused, until another has ended."""
    url, _ = await by_path(manager, program)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False, limits=limits) as visitor:
        async with AsyncExitStack() as stack:
            for _ in range(128):
                assert (await stack.enter_async_context(visitor.stream("GET", "events"))).status_code == 200
            refused = await visitor.get("echo")
            assert refused.status_code == 503 and "128 visits by http" in refused.text
        async with asyncio.timeout(10):
            while (await visitor.get("echo")).status_code == 503:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
