"""Visiting programs that listen in a sandbox: who may, under which address, and what everybody else is told.

Stands before everything else of the manager, because what is visited is not the manager's: a call to a host of a port
never reaches one of our own routes, whatever its path. A host is opened by a link whose ticket is exchanged, once, for
a cookie of that host; a path has its secret in itself. Both open one port of one sandbox during one lease.

Not here: how addresses look (`port_places`), and passing calls on (`port_relay`).
"""

from __future__ import annotations

import html
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import cast
from urllib.parse import parse_qsl, quote

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from agentscope_runtime.sandbox.errors import Forbidden, InvalidRequest, NotAuthorized, SandboxError, Unavailable
from agentscope_runtime.sandbox_manager.api import port_relay
from agentscope_runtime.sandbox_manager.api.auth import SAFE_METHODS, Access, Hosts, cookie_value
from agentscope_runtime.sandbox_manager.api.gateway import pool_of
from agentscope_runtime.sandbox_manager.api.grants import SESSION_SECONDS, Grant
from agentscope_runtime.sandbox_manager.api.port_heads import PRINTABLE, SANDBOX, Ours, preflight
from agentscope_runtime.sandbox_manager.api.port_places import FOLDER, Place, PreviewHosts, by_path
from agentscope_runtime.sandbox_manager.api.problems import problem
from agentscope_runtime.sandbox_manager.api.visits import leased

TICKET = "sandbox_ticket"
"""In the query of a link, beside whatever the program itself has there."""
VISITS_MAX = {"http": 128, "websocket": 32}
"""Calls into one sandbox at a time. Visitors hold no key; each of their calls takes two of the manager's open files, of
which it may have no more than a thousand for all, and a WebSocket's message may be a long one."""
CLOSED = "This address opens with a link, and each link opens once: ask for a new one, get_port_url() makes them."
NO_SECRET = "This address works no longer, or never did: get_port_url(path=True) makes a new one."  # noqa: S105
PAGE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Previews:
    """The middleware: serves what is a visit, and passes on the rest."""

    def __init__(self, app: ASGIApp, *, access: Access, hosts: Hosts, previews: PreviewHosts) -> None:
        self._app = app
        self._access = access
        self._hosts = hosts
        self._previews = previews
        # The application limits what is sent to its own routes; what programs take is theirs to say.
        self._unlimited = RequestBodyLimitMiddleware(self._visited, max_body_size=sys.maxsize)
        self._visits: Counter[tuple[str, str]] = Counter()

    @property
    def _ours(self) -> Ours:
        return Ours(self._access.visit_cookie("port"), self._access.is_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a visit."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._previews.find(HTTPConnection(scope)) is None and not scope["path"].startswith(FOLDER):
            await self._app(scope, receive, send)
            return
        await self._unlimited(scope, receive, send)

    async def _visited(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        place = self._previews.find(connection)
        try:
            if place is not None:
                await self._by_host(place, scope, receive, send)
            else:
                await self._by_path(connection, scope, receive, send)
        except SandboxError as error:
            await _refuse(error, scope, receive, send)

    async def _by_host(self, place: Place, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        if scope["type"] == "http" and scope["method"] == "GET":
            given = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get(TICKET)
            if given is not None:
                await (await self._begin(place, given, Request(scope)))(scope, receive, send)
                return
        cookie = cookie_value(connection.headers.get("cookie", ""), self._ours.cookie)
        grant = await self._access.visit("port", cookie, once=False) if cookie else None
        if grant is None or not _is_for(grant, place):
            raise NotAuthorized(CLOSED)
        _check_page(connection, place)
        await self._pass_on(_visit(place, _target(scope), grant, self._ours), scope, receive, send)

    async def _begin(self, place: Place, ticket: str, request: Request) -> Response:
        """Exchange a link's ticket for a cookie, and send the browser to the address without the ticket."""
        grant = await self._access.use_up("port", ticket)
        raw = request.scope["query_string"].decode("latin-1").split("&")
        query = "&".join(part for part in raw if part.partition("=")[0] != TICKET)
        path = quote(request.scope["raw_path"], safe=PRINTABLE)
        # Whole: a path that begins with two slashes would lead to another host.
        response = RedirectResponse(f"{place.base}{path}" + (f"?{query}" if query else ""), 303, headers=PAGE)
        if grant is not None and _is_for(grant, place):
            record = await leased(request, place.sandbox_id)
            if not record.is_of(grant.generation):
                raise NotAuthorized(CLOSED)
            response.set_cookie(
                self._ours.cookie,
                await self._access.begin_visit("port", grant, SESSION_SECONDS),
                secure=request.url.scheme == "https",
                httponly=True,
                samesite="lax",  # a link in a chat opens it, and other sites' pages cannot use it
            )
        # Else: whoever holds a cookie already may have used the link again; he who does not will be told there.
        return response

    async def _by_path(self, connection: HTTPConnection, scope: Scope, receive: Receive, send: Send) -> None:
        host = connection.headers.get("host", "")
        if not self._hosts.allow(host):
            raise Forbidden(f"this manager is not called {host!r}; if it shall be, add it to ALLOWED_HOSTS")
        secret, sandbox_id, port, rest = _split(scope)
        grant = await self._access.look("preview", secret)
        place = by_path(connection, sandbox_id, port, secret)
        if grant is None or not _is_for(grant, place):
            raise NotAuthorized(NO_SECRET)
        if scope["type"] == "http" and (headers := preflight(scope)) is not None:
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        if rest is None:  # relative addresses in its pages would lead one level too high
            target = _query(scope).decode("latin-1")
            await RedirectResponse(f"{place.path}/{target}", 307, headers=PAGE)(scope, receive, send)
            return
        await self._pass_on(_visit(place, b"/" + rest + _query(scope), grant, self._ours), scope, receive, send)

    async def _pass_on(self, visit: port_relay.Visit, scope: Scope, receive: Receive, send: Send) -> None:
        pool = pool_of(HTTPConnection(scope))
        with self._counted(scope["type"], visit.place.sandbox_id):
            if scope["type"] == "websocket":
                await port_relay.connect(pool, visit, WebSocket(scope, receive, send))
            else:
                await port_relay.ask(pool, visit, scope, receive, send)

    @contextmanager
    def _counted(self, kind: str, sandbox_id: str) -> Iterator[None]:
        most = VISITS_MAX[kind]
        if self._visits[kind, sandbox_id] >= most:
            raise Unavailable(f"{most} visits by {kind} are under way in this sandbox, the most there can be; end one")
        self._visits[kind, sandbox_id] += 1
        try:
            yield
        finally:
            self._visits[kind, sandbox_id] -= 1
            self._visits += Counter()  # without those that are at zero


def _visit(place: Place, target: bytes, grant: Grant, ours: Ours) -> port_relay.Visit:
    return port_relay.Visit(place, target, grant.generation, ours)


def _is_for(grant: Grant, place: Place) -> bool:
    return (grant.sandbox_id, grant.detail) == (place.sandbox_id, str(place.port))


def _query(scope: Scope) -> bytes:
    query = cast(bytes, scope["query_string"])
    return b"?" + query if query else b""


def _target(scope: Scope) -> bytes:
    raw = cast(bytes, scope["raw_path"])
    if not raw.startswith(b"/"):
        raise InvalidRequest(f"{raw.decode('latin-1')!r} is no path")
    return raw + _query(scope)


def _split(scope: Scope) -> tuple[str, str, int, bytes | None]:
    """Return secret, sandbox and port of `/preview/{secret}/{id}/{port}/…`, and the raw rest after the next slash."""
    parts = scope["raw_path"].split(b"/", 5)
    if len(parts) < 5 or not (parts[4].isdigit() and len(parts[4]) < 6):
        raise NotAuthorized(NO_SECRET)
    secret, sandbox_id, port = (part.decode("latin-1") for part in parts[2:5])
    return secret, sandbox_id, int(port), parts[5] if len(parts) > 5 else None


def _check_page(connection: HTTPConnection, place: Place) -> None:
    """Refuse what another site's page sends: browsers send the cookie along with it.

    Raises:
        Forbidden: It does.
    """
    headers = connection.headers
    origin = headers.get("origin")
    is_safe = connection.scope["type"] == "http" and connection.scope["method"] in SAFE_METHODS
    foreign = origin is not None and origin.lower() != place.origin and not is_safe
    embedded = headers.get("sec-fetch-site") in ("same-site", "cross-site") and (
        headers.get("sec-fetch-mode", "navigate") != "navigate"
    )
    if foreign or embedded:
        raise Forbidden(f"a page of {origin or 'another site'} may not call {place.base}; its own pages may")


async def _refuse(error: SandboxError, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell it as what the visitor can read: a page, or a problem document."""
    answer = problem(error)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(answer)
        return
    if b"text/html" in dict(scope["headers"]).get(b"accept", b""):
        words = {"title": error.title, "detail": f"{error.detail[:1].upper()}{error.detail[1:]}."}
        page = (resources.files("agentscope_runtime.sandbox_manager") / "pages" / "preview.html").read_text("utf-8")
        for name, value in words.items():
            page = page.replace(f"[[{name}]]", html.escape(value))
        answer = Response(page, answer.status_code, media_type="text/html")
    for name, value in PAGE.items():
        answer.headers[name] = value
    if scope["path"].startswith(FOLDER):
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Content-Security-Policy"] += f"; {SANDBOX}"
    await answer(scope, receive, send)
