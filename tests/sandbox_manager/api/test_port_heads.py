"""What of heads passes: pure functions, tried with what programs and visitors may come up with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentscope_runtime.sandbox_manager.api.port_heads import Ours, answer_head, request_head
from agentscope_runtime.sandbox_manager.api.port_places import Place

HOST = Place("sbx-1", 8080, "http://p8080-sbx-1.localhost:8000")
PATH = Place("sbx-1", 8080, "http://127.0.0.1:8000/preview/s/sbx-1/8080", by_path=True)
OURS = Ours("port_1", lambda key: key == "the key")


def asked(place: Place, *headers: tuple[str, str], target: bytes = b"/", method: str = "GET") -> dict[str, Any]:
    """Return the head under which a program is asked."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    head: dict[str, Any] = json.loads(request_head({"method": method, "headers": raw}, target, place, OURS))
    return head


def answered(place: Place, *headers: tuple[str, str], status: int = 200) -> list[tuple[str, str]]:
    """Return the headers that reach the visitor."""
    return [(name.decode(), value.decode()) for name, value in answer_head(status, list(headers), place, OURS)]


@pytest.mark.parametrize(
    "name",
    (
        *("connection", "keep-alive", "te", "transfer-encoding", "upgrade", "x-named", "expect", "x-forwarded-for"),
        *("forwarded", "x-real-ip", "proxy-authorization", "x-port-head", "sec-websocket-key", "host"),
    ),
)
def test_what_is_for_one_connection_or_ours_to_say_does_not_pass(name: str) -> None:
    """What `Connection` names included."""
    headers = asked(HOST, ("connection", "x-named, close"), (name, "from outside"), ("x-kept", "1"))["headers"]
    assert ["x-kept", "1"] in headers
    assert "from outside" not in [value for _, value in headers]


@pytest.mark.parametrize(("given", "kept"), [("Bearer the key", False), ("bearer  the key ", False), ("Basic x", True)])
def test_authorization_is_the_programs_unless_it_is_our_key(given: str, kept: bool) -> None:
    """Clients of the manager send that by themselves."""
    assert (["authorization", given] in asked(HOST, ("authorization", given))["headers"]) is kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("port_1=secret", None),
        ("a=1; port_1=secret; b=2", "a=1; b=2"),
        (" port_1=secret;a=port_1=x", "a=port_1=x"),
        ("port_10=1", "port_10=1"),
        (";;", None),
    ],
)
def test_our_cookie_is_taken_out(given: str, kept: str | None) -> None:
    """And nothing else."""
    cookies = [value for name, value in asked(HOST, ("cookie", given))["headers"] if name == "cookie"]
    assert cookies == ([] if kept is None else [kept])


def test_by_path_only_the_programs_own_cookies_pass() -> None:
    """The manager's, and those of other servers on this machine, come along there."""
    headers = asked(PATH, ("cookie", "sandboxes_1=x; other=y; preview-a=1; preview-b=2"))["headers"]
    assert [value for name, value in headers if name == "cookie"] == ["a=1; b=2"]


def test_a_target_passes_as_it_came_and_breaks_nothing() -> None:
    """What no address may hold is quoted."""
    assert asked(HOST, target=b"/a/../%2e?x=%zz#y")["target"] == "/a/../%2e?x=%zz#y"
    assert asked(HOST, target=b"/a b\r\n\xff")["target"] == "/a%20b%0D%0A%FF"


def test_foreign_origins_and_referers_pass_as_they_are() -> None:
    """The program decides what it thinks of them; our own address with its secret is never one."""
    headers = asked(HOST, ("origin", "http://evil.example"), ("referer", "http://evil.example/x"))["headers"]
    assert ["origin", "http://evil.example"] in headers and ["referer", "http://evil.example/x"] in headers
    similar = asked(HOST, ("referer", f"{HOST.base}0/x"))["headers"]
    assert ["referer", f"{HOST.base}0/x"] in similar
    assert "referer" not in dict(asked(PATH, ("referer", "http://127.0.0.1:8000/preview/other/x"))["headers"])


@pytest.mark.parametrize(
    ("given", "by_host", "by_path"),
    [
        ("/x?y", "/x?y", f"{PATH.path}/x?y"),
        ("x", "x", "x"),
        ("http://localhost:8080/x", f"{HOST.base}/x", f"{PATH.base}/x"),
        ("http://127.0.0.1:8080", HOST.base, PATH.base),
        ("http://[::1]:8080?q", f"{HOST.base}?q", f"{PATH.base}?q"),
        ("http://localhost:80801/x", "http://localhost:80801/x", "http://localhost:80801/x"),
        ("http://localhost:8080.evil.example/", "http://localhost:8080.evil.example/", None),
        ("//evil.example/x", "//evil.example/x", "//evil.example/x"),
    ],
)
def test_redirections_to_itself_lead_to_where_it_is_visited(given: str, by_host: str, by_path: str | None) -> None:
    """Others lead where they say."""
    assert answered(HOST, ("Location", given)) == [("location", by_host)]
    assert answered(PATH, ("Location", given))[0] == ("location", by_path or given)


@pytest.mark.parametrize(
    ("given", "by_host"),
    [
        ("a=1", "a=1; Path=/"),
        ("a=1; path=/x; DOMAIN=.localhost; Secure; SameSite=None", "a=1; Secure; SameSite=None; Path=/x"),
        ("a=1; Path=relative", "a=1; Path=/"),
        ("a=1; Path=/x; Path=/y; Domain", "a=1; Path=/y"),
        ("port_1=mine", None),
        ("port_1 =mine", None),
    ],
)
def test_cookies_stay_where_the_program_is_visited(given: str, by_host: str | None) -> None:
    """Whatever domain or path it names; and ours is not its to set."""
    assert answered(HOST, ("Set-Cookie", given)) == ([] if by_host is None else [("set-cookie", by_host)])
    if by_host is not None:
        confined = by_host.replace("Path=", f"Path={PATH.path}")
        assert answered(PATH, ("Set-Cookie", given))[0] == ("set-cookie", f"preview-{confined}")


@pytest.mark.parametrize(
    "name", ["Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc", "NEL", "Report-To", "Date", "Connection"]
)
def test_what_would_reach_beyond_the_program_is_dropped(name: str) -> None:
    """The rest passes, twice where it was said twice."""
    twice = [("link", "1"), ("link", "2")]
    assert answered(HOST, (name, "x"), *twice) == twice


@pytest.mark.parametrize("name", ["Service-Worker-Allowed", "WWW-Authenticate", "Access-Control-Allow-Credentials"])
def test_by_path_more_is_dropped_and_the_page_is_confined(name: str) -> None:
    """Beside the program's own policy, which holds, too."""
    headers = answered(PATH, (name, "x"), ("Content-Security-Policy", "default-src 'self'"))
    assert name.lower() not in dict(headers)
    policies = [value for key, value in headers if key == "content-security-policy"]
    assert policies[0] == "default-src 'self'"
    assert policies[1].startswith("sandbox ") and "allow-same-origin" not in policies[1]
    assert answered(HOST, (name, "x")) == [(name.lower(), "x")]


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_no_length(status: int) -> None:
    """Servers would wait for what it counts."""
    assert answered(HOST, ("Content-Length", "10"), status=status) == []


def test_of_two_lengths_the_one_that_counts_stays() -> None:
    """An answer in chunks has none, whatever it says."""
    assert answered(HOST, ("Content-Length", "10"), ("Transfer-Encoding", "chunked")) == []
