"""Whatever is said on a WebSocket, nothing but itself is harmed; and each opens only for whom it was made."""

from __future__ import annotations

import random
import socket as sockets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import visited_program
from managers import Server, eventually
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from agentscope_runtime.sandbox import BrowserSandbox

pytestmark = [pytest.mark.docker, pytest.mark.slow]

STRINGS = 100


@dataclass
class Door:
    """How one WebSocket is opened: what a page or a program has in hand when it opens it."""

    url: str
    origin: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    subprotocols: list[Subprotocol] = field(default_factory=list)

    def open(self, origin: str | None = "own") -> ClientConnection:
        """Open it."""
        page = self.origin if origin == "own" else origin
        return connect(
            self.url,
            origin=None if page is None else Origin(page),
            additional_headers=self.headers,
            subprotocols=self.subprotocols or None,
            sock=sockets.create_connection(("127.0.0.1", urlsplit(self.url).port or 80), timeout=10),
            max_size=None,
        )


Make = Callable[[], Door]


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """A manager."""
    return make_server(DEFAULT_SANDBOX_TYPE="browser", POOL_SIZE="1").wait_ready()


@pytest.fixture(scope="module")
def box(server: Server) -> Iterator[BrowserSandbox]:
    """A sandbox in which a program listens, too."""
    with BrowserSandbox(base_url=server.url, bearer_token=server.key) as box:
        box.fs.write("program.py", Path(visited_program.__file__).read_text())
        box.run_shell_command("nohup python3 program.py >/tmp/program.log 2>&1 &")
        url = box.get_port_url(8080, path=True)
        eventually(lambda: httpx.get(url, trust_env=False).status_code == 200, 30, "the program listens")
        yield box


def by_page(server: Server, box: BrowserSandbox, what: str, *, control: bool) -> Door:
    """Do what the page of a desktop or a terminal does with its link."""
    with server.http() as http:
        url = http.post(f"/v1/sandboxes/{box.sandbox_id}/{what}", json={"control": control}).json()["url"]
    place, _, ticket = url.partition("#ticket=")
    answer = httpx.post(f"{place}/session", json={"ticket": ticket}, headers={"Origin": server.url}, trust_env=False)
    cookie = answer.raise_for_status().headers["set-cookie"].split(";")[0]
    subprotocols = [Subprotocol("binary")] if what == "desktop" else []
    return Door(f"{place.replace('http', 'ws')}/websocket", server.url, {"Cookie": cookie}, subprotocols)


def by_host(server: Server, box: BrowserSandbox) -> Door:
    """Open a link to a port, as a browser does."""
    parts = urlsplit(box.get_port_url(8080))
    host = {"Host": parts.netloc}
    opened = httpx.get(f"{server.url}/?{parts.query}", headers=host, trust_env=False)
    cookie = opened.headers["set-cookie"].split(";")[0]
    return Door(f"ws://{parts.netloc}/socket", f"http://{parts.netloc}", {"Cookie": cookie})


@pytest.fixture(
    params=["desktop", "desktop to watch", "terminal", "terminal to watch", "cdp", "port by host", "port by path"]
)
def make(request: pytest.FixtureRequest, server: Server, box: BrowserSandbox) -> Make:
    """Make doors of one kind, each of which opens."""
    doors: dict[str, Make] = {
        "desktop": lambda: by_page(server, box, "desktop", control=True),
        "desktop to watch": lambda: by_page(server, box, "desktop", control=False),
        "terminal": lambda: by_page(server, box, "terminal", control=True),
        "terminal to watch": lambda: by_page(server, box, "terminal", control=False),
        "cdp": lambda: Door(box.get_cdp_url()),
        "port by host": lambda: by_host(server, box),
        "port by path": lambda: Door(f"{box.get_port_url(8080, path=True).replace('http', 'ws')}socket"),
    }
    return doors[request.param]


def unharmed(server: Server, box: BrowserSandbox) -> None:
    """Check that manager, sandbox and browser work, and that the manager's log has no trace of a bug."""
    assert "42" in str(box.run_ipython_cell("print(6 * 7)"))
    assert box.browser_navigate("about:blank")["isError"] is False
    assert "Traceback" not in (log := server.log.read_text()), log[-3000:]


def test_any_messages_are_survived(make: Make, server: Server, box: BrowserSandbox) -> None:
    """Bytes, and texts, of any length; who says what makes no sense may be thrown out, and comes back."""
    chance = random.Random(4)  # noqa: S311 - the same each time
    rest = [chance.randbytes(chance.choice((0, 1, 7, 130, 5000))) for _ in range(STRINGS)]
    while rest:
        with make().open() as talk:
            try:
                while rest:
                    words = rest.pop()
                    talk.send(words)
                    talk.send(words.decode("latin-1"))
            except ConnectionClosed:
                continue
    unharmed(server, box)


def test_any_bytes_instead_of_frames_are_survived(make: Make, server: Server, box: BrowserSandbox) -> None:
    """A connection that was upgraded, and then speaks no WebSocket."""
    chance = random.Random(5)  # noqa: S311 - the same each time
    for _ in range(STRINGS // 5):
        with make().open() as talk:
            raw: sockets.socket = talk.socket
            with suppress(OSError):  # thrown out
                for _ in range(5):
                    raw.sendall(chance.randbytes(chance.choice((1, 2, 14, 300))))
                raw.shutdown(sockets.SHUT_RDWR)
    unharmed(server, box)


def test_other_pages_do_not_get_in(make: Make, request: pytest.FixtureRequest) -> None:
    """Whatever they hold; a secret path is for whoever knows it, so there it is the secret that keeps them out."""
    kind = request.node.callspec.params["make"]
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        door = make()
        if kind == "port by path":
            door.url = door.url.replace("/preview/", "/preview/x")
        with pytest.raises(InvalidStatus) as refusal, door.open(origin):
            pass
        assert refusal.value.response.status_code in (401, 403)


def test_what_opens_once_opens_once(make: Make, request: pytest.FixtureRequest) -> None:
    """The ticket, and the cookie that a page gets for it."""
    kind = request.node.callspec.params["make"]
    door = make()
    with door.open():
        pass
    if kind.startswith("port"):  # those who came in may come back
        with door.open():
            return
    with pytest.raises(InvalidStatus) as refusal, door.open():
        pass
    assert refusal.value.response.status_code == 403


def test_a_ticket_for_one_thing_opens_no_other(server: Server, box: BrowserSandbox) -> None:
    """Each purpose keeps its own."""
    tickets = {
        "desktop": box.get_desktop_url().rpartition("=")[2],
        "cdp": box.get_cdp_url().rpartition("/")[2],
        "port": box.get_port_url(8080).rpartition("=")[2],
        "preview": box.get_port_url(8080, path=True).split("/")[4],
    }
    with server.http() as http:
        made = http.post(f"/v1/sandboxes/{box.sandbox_id}/terminal", json={}).json()["url"]
        tickets["terminal"] = made.rpartition("=")[2]
    for purpose, ticket in tickets.items():
        for what in {"desktop", "terminal"} - {purpose}:
            place = f"{server.url}/{what}/{box.sandbox_id}/session"
            answer = httpx.post(place, json={"ticket": ticket}, headers={"Origin": server.url}, trust_env=False)
            assert answer.status_code == 401, (purpose, what)
        if purpose != "cdp":
            with pytest.raises(InvalidStatus):
                Door(f"{server.url.replace('http', 'ws')}/cdp/{box.sandbox_id}/{ticket}").open().__enter__()
        if purpose != "preview":
            place = f"{server.url}/preview/{ticket}/{box.sandbox_id}/8080/"
            assert httpx.get(place, trust_env=False).status_code == 401
        if purpose != "port":
            host = urlsplit(box.get_port_url(8080)).netloc
            place = f"{server.url}/?sandbox_ticket={ticket}"
            answer = httpx.get(place, headers={"Host": host}, trust_env=False)
            assert "set-cookie" not in answer.headers


def test_a_stranger_finds_nothing_by_bytes(server: Server) -> None:
    """Before any WebSocket: lines that are no requests, and handshakes that are none."""
    chance = random.Random(6)  # noqa: S311 - the same each time
    port = urlsplit(server.url).port
    starts = [
        b"",
        b"GET /cdp/x/y HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n",
        b"GET /preview/\xff\xfe/ HTTP/1.1\r\n",
    ]
    for number in range(STRINGS):
        with sockets.create_connection(("127.0.0.1", port or 0), timeout=10) as raw:
            raw.sendall(starts[number % 3] + chance.randbytes(200) + b"\r\n\r\n")
    for path in (
        "/preview/%ff/%00/1/",
        "/cdp/%00/x",
        "/preview/x/y/1",
        "/preview//////",
        "/preview/..%2f..%2fv1/leases",
    ):
        for upgrade in ({}, {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}):
            key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} if upgrade else {}
            answer = httpx.get(server.url + path, headers={**upgrade, **key}, trust_env=False)
            assert 400 <= answer.status_code < 500, (path, answer.status_code)
    assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
    assert "Traceback" not in (log := server.log.read_text()), log[-3000:]
