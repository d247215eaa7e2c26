"""Terminals of every sandbox, by the links that its classes make."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from driving import Driven
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound

pytestmark = pytest.mark.docker


def opened(url: str) -> ClientConnection:
    """Do what the page of a link does."""
    place, _, ticket = url.partition("#ticket=")
    address = urlsplit(place)
    origin = f"{address.scheme}://{address.netloc}"
    answer = httpx.post(f"{place}/session", json={"ticket": ticket}, headers={"Origin": origin}, trust_env=False)
    assert answer.status_code == 200, answer.text
    cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
    where = f"ws://{address.netloc}{address.path}/websocket"
    return connect(where, origin=Origin(origin), additional_headers=cookie, proxy=None)


def until(socket: ClientConnection, text: str) -> str:
    """Read what is shown until this is."""
    shown = b""
    while text.encode() not in shown:
        message = socket.recv(timeout=20)
        shown += message if isinstance(message, bytes) else b""
    return shown.decode(errors="replace")


def test_a_link_opens_the_main_terminal(box: Driven) -> None:
    """It is a shell in the workspace, and the next link shows what the last one left."""
    with opened(box.get_terminal_url()) as socket:
        socket.send(b"pwd; echo $TERM; echo la''st words\r")
        assert "/workspace\r\nxterm-256color\r\nlast words" in until(socket, "last words")
    with opened(box.get_terminal_url(control=False)) as socket:
        until(socket, "last words")


def test_a_command_has_a_terminal_of_its_own(box: Driven) -> None:
    """With its folder and variables; the viewer hears of its end."""
    url = box.get_terminal_url(command="pwd; echo $WORD; [ -t 0 ] && exit 3", cwd="/usr", environment={"WORD": "grün"})
    with opened(url) as socket:
        shown = b""
        with pytest.raises(ConnectionClosed):
            for message in socket:
                shown += message if isinstance(message, bytes) else b""
        assert shown.decode() == "/usr\r\ngrün\r\n"
        assert socket.close_code == 4001 and socket.close_reason == "The program has ended (exit code 3)."


def test_wrong_arguments_are_named(box: Driven) -> None:
    """A terminal that there is not, a folder that there is not, and what contradicts itself."""
    with pytest.raises(NotFound, match="no-such-terminal"):
        box.get_terminal_url("no-such-terminal")
    with pytest.raises(InvalidRequest, match="no/such/folder"):
        box.get_terminal_url(cwd="no/such/folder")
    with pytest.raises(InvalidRequest, match="for a new one"):
        box.get_terminal_url("main", command="true")
