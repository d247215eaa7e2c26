"""Who may come in: the guard before every route, and the secrets that it accepts.

A pure ASGI middleware, because it stands before every call. Three questions, in this order:

* Is the Host header a name of ours? Else a web page has pointed its own name at this machine (DNS rebinding).
* Does the caller show the key, or a signed-in browser its cookie? Every path needs one of them but those in
  `OPEN_PATHS` and `OPEN_FOLDERS`; so a route that somebody adds is closed until somebody opens it.
* Does a cookie come from our own page? Browsers send cookies along with what other pages ask for; so a call that
  changes something must have our own Origin.

Not here: what a link opens (desktops, terminals, …), which have tickets and cookies of their own (`visits`), and ports
of sandboxes (`previews`), which have hosts of their own, too, and are served before this guard.
"""

from __future__ import annotations

import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from agentscope_runtime.sandbox.errors import Forbidden, NotAuthorized, StoreUnavailable
from agentscope_runtime.sandbox.places import LOOPBACK_NAMES
from agentscope_runtime.sandbox_manager.api.grants import (
    OWNER,
    SESSION_SECONDS,
    SIGN_IN_SECONDS,
    Clock,
    Grant,
    Grants,
    LocalVault,
    Purpose,
    Vault,
)
from agentscope_runtime.sandbox_manager.api.problems import problem
from agentscope_runtime.sandbox_manager.api.seals import Seals
from agentscope_runtime.sandbox_manager.identity import Identity
from agentscope_runtime.sandbox_manager.keys import matches
from agentscope_runtime.sandbox_manager.settings import Settings

OPEN_PATHS = frozenset({"/", "/session", "/docs", "/openapi.json", "/health", "/liveness", "/readiness"})
OPEN_FOLDERS = ("/pages/", "/desktop/", "/terminal/", "/cdp/", "/file/")
"""Static pages, and what links open, which asks for its own ticket or cookie."""
PROGRAMS_FOLDERS = ("/cdp/",)
"""WebSockets for programs: their ticket stands in the path, and a browser's page, which says its Origin, is refused."""
OPEN_BODY_LIMIT = 4096
"""Bytes of a body that anybody may send: tickets and keys are short. The routes of the open paths say it."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
WILDCARDS = frozenset({"0.0.0.0", "::", ""})


class Access:
    """The key, and the tickets and sessions of one manager, or of all that share a pool."""

    def __init__(self, settings: Settings, key: str, clock: Clock) -> None:
        self._key = key
        self._sign_ins = Grants(clock)
        self._vault: Vault = LocalVault(clock)
        # Not by the key, which a person may have chosen: who holds a link could try words against its seal for ever.
        # What is sealed ends with the leases, and those with this manager.
        self.seals = Seals(secrets.token_urlsafe(32))
        # Cookies know no port: two managers of one machine must not overwrite each other's.
        self._suffix = str(settings.port) if settings.port else secrets.token_hex(4)

    def share(self, vault: Vault, identity: Identity) -> None:
        """Make what one manager of the installation issues open on all of them."""
        self._vault = vault
        self.seals = Seals(identity.derived("seals"))
        self._suffix = identity.sign("cookies", b"")[:8]

    @property
    def cookie(self) -> str:
        """The name of the cookie of a signed-in browser."""
        return f"sandboxes_{self._suffix}"

    def is_key(self, given: str) -> bool:
        """Tell whether this is the manager's key."""
        return matches(given, self._key)

    def sign_in_ticket(self) -> str:
        """Return a ticket that signs one browser in, here."""
        return self._sign_ins.issue(OWNER, SIGN_IN_SECONDS)

    async def sign_in(self, ticket: str | None = None) -> str | None:
        """Return a session's secret for a ticket; None if that was used, or is too old. Without one, just begin one."""
        if ticket is not None and self._sign_ins.use_up(ticket) is None:
            return None
        return await self._vault.issue("session", OWNER, SESSION_SECONDS)

    async def is_signed_in(self, session: str) -> bool:
        """Tell whether this is the secret of a session."""
        return await self._vault.look("session", session) is not None

    async def sign_out(self, session: str) -> None:
        """Forget a session."""
        await self._vault.use_up("session", session)

    async def issue(self, purpose: Purpose, grant: Grant, seconds: float) -> str:
        """Return a ticket for one purpose, to stand in a link."""
        return await self._vault.issue(f"ticket-{purpose}", grant, seconds)

    async def look(self, purpose: Purpose, ticket: str) -> Grant | None:
        """Return what a ticket opens; None if it is unknown, used, too old, or of another purpose."""
        return await self._vault.look(f"ticket-{purpose}", ticket)

    async def use_up(self, purpose: Purpose, ticket: str) -> Grant | None:
        """Return what a ticket opens, for the last time."""
        return await self._vault.use_up(f"ticket-{purpose}", ticket)

    def visit_cookie(self, purpose: Purpose) -> str:
        """Return the name of the cookie for which a page exchanges its ticket."""
        return f"{purpose}_{self._suffix}"

    async def begin_visit(self, purpose: Purpose, grant: Grant, seconds: float) -> str:
        """Return the value of such a cookie."""
        return await self._vault.issue(f"visit-{purpose}", grant, seconds)

    async def visit(self, purpose: Purpose, cookie: str, *, once: bool) -> Grant | None:
        """Return what such a cookie opens; `once`: for the last time."""
        find = self._vault.use_up if once else self._vault.look
        return await find(f"visit-{purpose}", cookie)


class Hosts:
    """The names under which this manager may be called."""

    def __init__(self, settings: Settings) -> None:
        self._names = LOOPBACK_NAMES | {settings.host.strip("[]").lower()}
        self._extra = frozenset(name.lower() for name in settings.allowed_hosts)
        # Behind a numeric address there is no name that somebody else could have pointed at us.
        self._any_number = settings.host.strip("[]") in WILDCARDS

    def allow(self, host: str) -> bool:
        """Tell whether the value of a Host header is ours."""
        host = host.lower()
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names or {host, name, "*"} & self._extra:
            return True
        return self._any_number and _is_number(name)


class Guard:
    """The middleware."""

    def __init__(self, app: ASGIApp, *, access: Access, hosts: Hosts) -> None:
        self._app = app
        self._access = access
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through, or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            await self._check(scope)
        except (NotAuthorized, StoreUnavailable) as error:
            if scope["type"] == "websocket":  # closed before it is accepted: HTTP 403
                await send({"type": "websocket.close", "code": 1008, "reason": error.title})
            else:
                await problem(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _check(self, scope: Scope) -> None:
        headers = _headers(scope)
        host = headers.get(b"host", "")
        if not self._hosts.allow(host):
            raise Forbidden(f"this manager is not called {host!r}; if it shall be, add it to ALLOWED_HOSTS")
        if scope["type"] == "websocket":
            if scope["path"].startswith(PROGRAMS_FOLDERS):
                _check_program(headers)
            else:
                _check_page(headers)
        elif not (scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_FOLDERS)):
            await self._check_caller(scope["method"], headers)

    async def _check_caller(self, method: str, headers: dict[bytes, str]) -> None:
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if not self._access.is_key(token.strip()):
                raise NotAuthorized("the key is wrong: clients read BEARER_TOKEN, or the key file of this machine")
            return
        cookie = cookie_value(headers.get(b"cookie", ""), self._access.cookie)
        if cookie is None or not await self._access.is_signed_in(cookie):
            raise NotAuthorized("no key: send the header `Authorization: Bearer <key>`")
        if method not in SAFE_METHODS:
            _check_page(headers)


def is_own_origin(headers: dict[bytes, str]) -> bool:
    """Tell whether a browser's page of ours made this call; so is a caller that is no browser and names no Origin."""
    origin = headers.get(b"origin")
    if origin is None:
        return True
    scheme, _, place = origin.lower().partition("://")
    return scheme in ("http", "https") and place == headers.get(b"host", "").lower()


def check_origin(request: HTTPConnection) -> None:
    """Refuse what another site's page sends.

    Raises:
        Forbidden: The Origin is not ours.
    """
    if not is_own_origin(_headers(request.scope)):
        raise Forbidden("only the manager's own pages can send this")


def cookie_value(header: str, name: str) -> str | None:
    """Return the value of one cookie."""
    if name not in header:
        return None
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def _headers(scope: Scope) -> dict[bytes, str]:
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


def _check_page(headers: dict[bytes, str]) -> None:
    if b"origin" not in headers or not is_own_origin(headers):
        origin = headers.get(b"origin", "without an Origin")
        raise Forbidden(f"a page {origin} may not do this; the manager's own pages may")


def _check_program(headers: dict[bytes, str]) -> None:
    if b"origin" in headers:
        raise Forbidden(f"this address is for programs, not for a page of {headers[b'origin']}")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
