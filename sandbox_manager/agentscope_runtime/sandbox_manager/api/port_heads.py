"""The heads of what visitors and programs in a sandbox say to each other: what of them passes, and what is changed.

A program is told that it is visited at `http://localhost:<port>`, in Host, Origin and Referer alike, because that is
what development servers and frameworks accept without being told more; `X-Forwarded-*` say where it really is. What it
answers is put back: redirections to itself, and cookies, which stay with the place where it is visited.

Pure functions. Not here: sending these (`port_relay`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox_manager.api.port_places import Place

Headers = list[tuple[str, str]]

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
NEVER_ASKED = frozenset({"host", "expect", "forwarded", "x-real-ip", "x-port-head"})
"""Of requests, beside `X-Forwarded-*` and `Sec-WebSocket-*`: ours to say."""
NEVER_ANSWERED = frozenset(
    # They would reach beyond the program: to the host's other ports and names, or to its other pages.
    {"clear-site-data", "strict-transport-security", "public-key-pins", "alt-svc", "nel", "report-to"}
    | {"date", "set-cookie2"}  # our server says its own date
)
NEVER_ANSWERED_BY_PATH = frozenset(
    # There the origin is the manager's: nothing may register workers for it, or make a browser ask for passwords to it.
    {"service-worker-allowed", "www-authenticate", "reporting-endpoints", "referrer-policy", "origin-agent-cluster"}
    | {"access-control-allow-origin", "access-control-allow-credentials", "permissions-policy", "accept-ch"}
)
SANDBOX = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads"
"""Without allow-same-origin: a page by path has no origin, so that it is nothing to the manager's own pages."""
COOKIE = "preview-"
"""What the names of a program's cookies begin with where it is visited by path, so that they are known as its own."""
HEAD_MAX = 60_000
"""Bytes of a head as JSON; the box takes one header of 64 KiB."""
BODYLESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Ours:
    """What visitors send and programs must neither see nor set."""

    cookie: str
    """Name of the cookie that opens a host of its own."""
    is_key: Callable[[str], bool]
    """Tells the manager's key from a program's own."""


def request_head(scope: Any, target: bytes, place: Place, ours: Ours) -> str:
    """Return the head under which a program is asked, as the box reads it.

    Args:
        scope: Of the visitor's call.
        target: Path and query for the program, raw.
        place: What is visited, and where.
        ours: What in it is for the manager.

    Raises:
        InvalidRequest: It is too long.
    """
    given = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    headers = [("host", f"localhost:{place.port}")]
    for name, value in _passing(given, NEVER_ASKED):
        if name.startswith(("x-forwarded-", "sec-websocket-")):
            continue
        changed = _asked(name, value, place, ours)
        if changed is not None:
            headers.append((name, changed))
    scheme, _, host = place.origin.partition("://")
    headers += [("x-forwarded-host", host), ("x-forwarded-proto", scheme)]
    if place.path:
        headers.append(("x-forwarded-prefix", place.path))
    names = {name for name, _ in given}
    head = {
        "method": scope.get("method", "GET"),
        "target": quote(target, safe=PRINTABLE),
        "headers": headers,
        "has_body": bool(names & {"content-length", "transfer-encoding"}),
    }
    told = json.dumps(head, separators=(",", ":"))
    if len(told) > HEAD_MAX:
        raise InvalidRequest(f"address and headers of this call take {len(told)} bytes; at most {HEAD_MAX} pass")
    return told


def _asked(name: str, value: str, place: Place, ours: Ours) -> str | None:
    local = f"http://localhost:{place.port}"
    match name:
        case "authorization":
            return None if ours.is_key(value.partition(" ")[2].strip()) else value
        case "cookie":
            cookies = (part.strip() for part in value.split(";"))
            if place.by_path:  # the host is the manager's, and other servers' of this machine: cookies know no port
                kept = (cookie.removeprefix(COOKIE) for cookie in cookies if cookie.startswith(COOKIE))
            else:
                kept = (cookie for cookie in cookies if cookie and cookie.partition("=")[0] != ours.cookie)
            return "; ".join(kept) or None
        case "origin":
            own = (place.origin, "null") if place.by_path else (place.origin,)
            return local if value.lower() in own else value
        case "referer" if value.startswith((f"{place.base}/", f"{place.base}?")) or value == place.base:
            return local + value[len(place.base) :]
        case "referer" if place.by_path and value.startswith(place.origin):
            return None  # a page of the manager
        case _:
            return value


def answer_head(status: int, given: Headers, place: Place, ours: Ours) -> list[tuple[bytes, bytes]]:
    """Return the headers with which a program's answer reaches the visitor.

    Args:
        status: Of the answer.
        given: What the program said.
        place: What is visited, and where.
        ours: What in it is the manager's.
    """
    dropped = NEVER_ANSWERED | (NEVER_ANSWERED_BY_PATH if place.by_path else frozenset())
    if status in BODYLESS or any(name.lower() == "transfer-encoding" for name, _ in given):
        dropped |= {"content-length"}  # it counts nothing here
    headers: Headers = []
    for name, value in _passing([(name.lower(), value) for name, value in given], dropped):
        if name == "location":
            headers.append((name, _location(value, place)))
        elif name != "set-cookie":
            headers.append((name, value))
        elif (cookie := _cookie(value, place, ours)) is not None:
            headers.append((name, cookie))
    if place.by_path:
        # A second policy beside the program's own: both hold.
        headers += [("content-security-policy", SANDBOX), ("referrer-policy", "no-referrer")]
        headers += [("access-control-allow-origin", "*")]  # who knows the address may read it: it is the secret
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def preflight(scope: Any) -> list[tuple[bytes, bytes]] | None:
    """Return the answer to a browser that asks for a page without an origin whether it may call; None if none asks."""
    headers = dict(scope["headers"])
    method = headers.get(b"access-control-request-method")
    if scope["method"] != "OPTIONS" or method is None:
        return None
    wanted = headers.get(b"access-control-request-headers", b"")
    return [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", method),
        (b"access-control-allow-headers", wanted),
    ]


def _passing(headers: Headers, dropped: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield what is not for this connection alone, and not dropped."""
    named = {part.strip().lower() for name, value in headers if name == "connection" for part in value.split(",")}
    dropped |= HOP_BY_HOP | named
    return ((name, value) for name, value in headers if name not in dropped)


def _location(value: str, place: Place) -> str:
    local = re.match(rf"https?://(?:localhost|127\.0\.0\.1|\[::1\]):{place.port}(?=[/?#]|$)", value, re.IGNORECASE)
    if local is not None:
        return place.base + value[local.end() :]
    if value.startswith("/") and not value.startswith("//"):
        return place.path + value
    return value


def _cookie(value: str, place: Place, ours: Ours) -> str | None:
    """Return a cookie that stays where the program is visited; None if it is not a program's to set."""
    pair, *attributes = (part.strip() for part in value.split(";"))
    if pair.partition("=")[0].strip() == ours.cookie:
        return None
    path, kept = "/", [COOKIE + pair if place.by_path else pair]
    for attribute in attributes:
        key, _, given = attribute.partition("=")
        match key.strip().lower():
            case "domain":
                pass  # its own host alone
            case "path":
                path = given if given.startswith("/") else "/"
            case _:
                kept.append(attribute)
    return "; ".join([*kept, f"Path={place.path}{path}"])
