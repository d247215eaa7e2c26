"""A program in a sandbox is visited by a real browser at a host of its own, and by programs behind a proxy's prefix."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import visited_program
from aiohttp import ClientSession, DummyCookieJar, web
from managers import Server, eventually
from playwright.sync_api import Browser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from agentscope_runtime.sandbox import BaseSandbox

pytestmark = pytest.mark.docker

PROGRAM = Path(visited_program.__file__).read_text()


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """A manager."""
    return make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="1").wait_ready()


@pytest.fixture(scope="module")
def box(server: Server) -> Iterator[BaseSandbox]:
    """A sandbox in which the program listens."""
    with BaseSandbox(base_url=server.url, bearer_token=server.key) as box:
        box.fs.write("program.py", PROGRAM)
        box.run_shell_command("nohup python3 program.py >/tmp/program.log 2>&1 &")
        probe = (
            "curl --retry 30 --retry-connrefused --retry-delay 1 -s -o /dev/null -w %{http_code} http://127.0.0.1:8080/"
        )
        assert "200" in str(box.run_shell_command(probe))
        yield box


@pytest.fixture
def prefix(server: Server) -> Iterator[str]:
    """A reverse proxy that serves the manager below /boxes, as people put one before it; yields its address."""
    started: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    async def pass_on(request: web.Request) -> web.StreamResponse:
        path = request.raw_path.removeprefix("/boxes")
        headers = {**request.headers, "X-Forwarded-Prefix": "/boxes"}
        async with ClientSession(auto_decompress=False, cookie_jar=DummyCookieJar()) as session:
            call = session.request(
                request.method, server.url + path, headers=headers, data=await request.read(), allow_redirects=False
            )
            async with call as answer:
                kept = [(name, value) for name, value in answer.headers.items() if name != "Transfer-Encoding"]
                response = web.Response(status=answer.status, body=await answer.read())
                for name, value in kept:
                    if name != "Content-Length":
                        response.headers.add(name, value)
                return response

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/boxes/{path:.*}", pass_on)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        started.append(f"http://127.0.0.1:{runner.addresses[0][1]}/boxes")
        ready.set()
        try:
            await stop.wait()
        finally:
            await runner.cleanup()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    yield started[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_a_browser_visits_a_program_as_if_it_ran_on_its_own_machine(box: BaseSandbox, chromium: Browser) -> None:
    """Absolute paths, a redirection, cookies of both kinds, fetch, storage and a WebSocket."""
    url = box.get_port_url(8080)
    with chromium.new_context() as person:
        page = person.new_page()
        page.goto(url.replace("/?", "/start?"))
        page.wait_for_function("out.textContent.startsWith('{')")
        origin = url.partition("/?")[0]
        assert page.url == f"{origin}/"
        told = page.evaluate("JSON.parse(out.textContent)")
        assert told == {
            "path": "/api/hello?x=1",
            "body": "body",
            "seen": "login=yes",
            "host": "localhost:8080",
            "from": "http://localhost:8080",
            "socket": "pong to ping",
            "protocol": "chat",
            "origin": origin,
            "cookie": "script=1",
            "visits": "1",
        }
        assert page.evaluate("getComputedStyle(out).color") == "rgb(1, 2, 3)"
        page.reload()
        page.wait_for_function("out.textContent.startsWith('{')")
        assert page.evaluate("JSON.parse(out.textContent).visits") == "2"
        page.goto(url)  # who has opened the link may use it again
        assert page.url == f"{origin}/"
        with chromium.new_context() as stranger:
            other = stranger.new_page()
            answer = other.goto(url)
            assert answer is not None and answer.status == 401
            assert "ask for a new one" in other.inner_text("main")


def test_what_runs_in_a_visited_page_is_nothing_to_the_manager(
    box: BaseSandbox, chromium: Browser, server: Server
) -> None:
    """Neither at a host of its own, nor by path, where it has no origin at all."""
    with chromium.new_context() as person:
        page = person.new_page()
        page.goto(box.get_port_url(8080))
        reach = "async url => { try { return (await fetch(url, {credentials: 'include'})).status } catch { return 0 } }"
        assert page.evaluate(reach, f"{server.url}/v1/leases") == 0
        assert page.evaluate(reach, f"{server.url.replace('127.0.0.1', 'localhost')}/health") == 0
        page.goto(f"{box.get_port_url(8080, path=True)}probe")
        page.wait_for_function("document.title.includes('etched') || document.title.includes('TypeError')")
        assert page.title() == "null SecurityError,SecurityError,fetched"
        assert page.evaluate("() => { try { return localStorage.length } catch (e) { return e.name } }") == (
            "SecurityError"
        )


def test_programs_take_the_path_behind_a_proxys_prefix(box: BaseSandbox, server: Server, prefix: str) -> None:
    """With the client's own calls going the same way, so that nobody has to be told of the prefix."""
    with BaseSandbox(base_url=prefix, bearer_token=server.key, sandbox_id=box.sandbox_id) as same:
        url = same.get_port_url(8080)
    assert url.startswith(f"{prefix}/preview/")
    with httpx.Client(base_url=url, trust_env=False, follow_redirects=True) as http:
        answer = http.get("start")
        assert (answer.status_code, str(answer.url)) == (200, url)
        told = http.post("api/hello", content=b"x").json()
        assert told["path"] == "/api/hello" and told["seen"] == "login=yes"
    assert httpx.get(url.replace("/preview/", "/preview/x"), trust_env=False).status_code == 401


def test_programs_reach_a_host_of_its_own_without_resolving_it(box: BaseSandbox, server: Server) -> None:
    """By the Host header, as the documentation says."""
    parts = urlsplit(box.get_port_url(8080))
    with httpx.Client(base_url=server.url, headers={"Host": parts.netloc}, trust_env=False) as http:
        opened = http.get(f"/?{parts.query}")
        assert opened.status_code == 303
        cookie = opened.headers["set-cookie"].split(";")[0]
        assert http.post("/api/x", content=b"", headers={"Cookie": cookie}).json()["path"] == "/api/x"


def test_the_end_of_the_sandbox_is_the_end_of_its_addresses(server: Server) -> None:
    """WebSockets close with the reason, and the same address says that the sandbox is gone."""
    with ExitStack() as visit:
        with BaseSandbox(base_url=server.url, bearer_token=server.key) as own:
            own.fs.write("program.py", PROGRAM)
            own.run_shell_command("nohup python3 program.py >/tmp/program.log 2>&1 &")
            url = own.get_port_url(8080, path=True)
            eventually(lambda: httpx.get(url, trust_env=False).status_code == 200, 30, "the program listens")
            socket = visit.enter_context(connect(f"{url.replace('http', 'ws')}socket", proxy=None))
            socket.send("hello")
            assert socket.recv() == "pong to hello"
            nothing = httpx.get(own.get_port_url(8081, path=True), trust_env=False)
            assert (nothing.status_code, nothing.json()["code"]) == (502, "port_failed")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4010, "The sandbox was released.")
    assert httpx.get(url, trust_env=False).status_code == 404
