"""Visiting what listens in a sandbox, on every sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from driving import Driven
from managers import eventually

from agentscope_runtime.sandbox.errors import InvalidRequest

pytestmark = pytest.mark.docker

PORT = 8642


@pytest.fixture
def listening(box: Driven, folder: str) -> Iterator[str]:
    """Serve a folder of the workspace in the sandbox; yields an address by path."""
    box.fs.write(f"{folder}/ü page.txt", "from the sandbox: 🐍")
    box.fs.write(f"{folder}/bytes", bytes(range(256)) * 4096)
    server = box.commands.start(f"python3 -m http.server {PORT} --bind 127.0.0.1", cwd=folder)
    url = box.get_port_url(PORT, path=True)
    eventually(lambda: httpx.get(url, trust_env=False).status_code == 200, 30, "the program listens")
    yield url
    server.kill()


def test_an_address_by_path_serves_programs(listening: str) -> None:
    """Names, bytes and what is not there, as the program has it."""
    with httpx.Client(base_url=listening, trust_env=False) as http:
        assert http.get("ü page.txt").content.decode() == "from the sandbox: 🐍"
        assert http.get("bytes").content == bytes(range(256)) * 4096
        assert http.head("bytes").headers["content-length"] == str(1 << 20)
        assert http.get("missing").status_code == 404
        assert http.post("bytes").status_code == 501


def test_a_link_opens_a_host_of_its_own_once(box: Driven, listening: str) -> None:
    """The ticket becomes a cookie; who comes second is refused."""
    parts = urlsplit(box.get_port_url(PORT))
    assert parts.hostname == f"p{PORT}-{box.sandbox_id}.localhost"
    manager = "http://" + urlsplit(listening).netloc
    with httpx.Client(base_url=manager, headers={"Host": parts.netloc}, trust_env=False) as http:
        opened = http.get(f"/?{parts.query}")
        assert opened.headers["location"] == f"http://{parts.netloc}/"
        cookie = opened.headers["set-cookie"].split(";")[0]
        assert http.get("/bytes", headers={"Cookie": cookie}).status_code == 200
        http.cookies.clear()
        assert "set-cookie" not in http.get(f"/?{parts.query}").headers
        assert http.get("/bytes").status_code == 401


def test_nothing_that_listens_is_said(box: Driven) -> None:
    """By a problem with the code of that."""
    problem = httpx.get(box.get_port_url(PORT + 1, path=True), trust_env=False).json()
    assert problem["code"] == "port_failed"
    assert f"nothing listens on port {PORT + 1}" in problem["detail"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": 7000}, "port 7000"),
        ({"port": 9222}, "port 9222"),
        ({"port": 80, "expires_in": 0}, "expires_in"),
        ({"port": 80, "expires_in": -1.0}, "expires_in"),
    ],
)
def test_wrong_arguments_are_named(box: Driven, arguments: dict[str, float], words: str) -> None:
    """What is no port, one of the sandbox's own, and no time."""
    with pytest.raises(InvalidRequest, match=words):
        box.get_port_url(**arguments)
