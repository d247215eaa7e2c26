"""A person's visit to one thing of a sandbox: a link that opens once, the page behind it, and its WebSocket.

The link's ticket stands in the URL's fragment, which browsers send to nobody; the page posts it for a cookie that opens
one WebSocket. So no secret is in a log or a history, and whoever finds a used link holds nothing. The same for
desktops and terminals: `/<purpose>/{id}#ticket=…`, `/<purpose>/{id}/session`, `/<purpose>/{id}/websocket`.

Not here: what is shown, and what a visitor may say (`desktop`, …); how frames pass (`relay`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, SandboxError, SandboxNotFound
from agentscope_runtime.sandbox_manager.api import relay
from agentscope_runtime.sandbox_manager.api.auth import Access, check_origin, cookie_value
from agentscope_runtime.sandbox_manager.api.gateway import OVER, opened, pool_of
from agentscope_runtime.sandbox_manager.api.grants import LINK_SECONDS, OPENING_SECONDS, Grant, Purpose
from agentscope_runtime.sandbox_manager.api.relay import Close
from agentscope_runtime.sandbox_manager.states import SandboxRecord

if TYPE_CHECKING:
    from agentscope_runtime.sandbox_manager.box import Box

USED = "This link was opened before, or is too old. Each link opens once; ask for a new one."
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class Ticket(BaseModel):
    """What a page posts to begin."""

    ticket: str


def access_of(connection: HTTPConnection) -> Access:
    """Return the secrets of the application that serves this call."""
    return cast(Access, connection.app.state.access)


def public_path(connection: HTTPConnection, path: str) -> str:
    """Return one of our paths as the caller's browser has to ask for it: below the prefix of a proxy, if there is one.

    Raises:
        InvalidRequest: The proxy's `X-Forwarded-Prefix` is no path.
    """
    prefix = connection.scope.get("root_path") or connection.headers.get("x-forwarded-prefix", "")
    prefix = prefix.rstrip("/")
    if not PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
        raise InvalidRequest(f"X-Forwarded-Prefix {prefix!r} is no path, such as /sandboxes")
    return prefix + path


def public_url(connection: HTTPConnection, path: str) -> str:
    """Return the whole URL of one of our paths, by the name under which the caller called us."""
    url = connection.url
    return f"{url.scheme}://{url.netloc}{public_path(connection, path)}"


async def leased(connection: HTTPConnection, sandbox_id: str) -> SandboxRecord:
    """Return the sandbox, which somebody holds and which answers: one that rests is woken.

    Raises:
        SandboxNotFound: It is unknown, or was released.
        InvalidRequest: Nobody has leased it.
        Unavailable: It is suspended, and cannot be started.
    """
    record = await pool_of(connection).sandbox(sandbox_id)
    if not record.in_lease:
        raise InvalidRequest(f"sandbox {sandbox_id} is {record.state.value}; links are made while it is leased")
    return await pool_of(connection).awake(sandbox_id)


async def link(request: Request, purpose: Purpose, grant: Grant, seconds: float = LINK_SECONDS) -> str:
    """Return a link that opens the page of this purpose once, within so many seconds."""
    ticket = await access_of(request).issue(purpose, grant, seconds)
    return public_url(request, f"/{purpose}/{grant.sandbox_id}#ticket={ticket}")


async def begin(request: Request, purpose: Purpose, sandbox_id: str, ticket: str) -> tuple[Grant, SandboxRecord]:
    """Use up a link's ticket; follow it with `set_cookie`.

    Raises:
        NotAuthorized: It was used, is too old, or is for something else.
        SandboxNotFound: The lease is over.
    """
    check_origin(request)
    grant = await access_of(request).use_up(purpose, ticket)
    if grant is None or grant.sandbox_id != sandbox_id:
        raise NotAuthorized(USED)
    record = await leased(request, sandbox_id)
    if not record.is_of(grant.generation):
        raise SandboxNotFound(OVER)
    return grant, record


async def set_cookie(response: Response, request: Request, purpose: Purpose, grant: Grant) -> None:
    """Give the page its cookie, which opens the WebSocket once; it is sent nowhere else."""
    access = access_of(request)
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        access.visit_cookie(purpose),
        await access.begin_visit(purpose, grant, OPENING_SECONDS),
        path=public_path(request, f"/{purpose}/{grant.sandbox_id}"),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


async def arrive(viewer: WebSocket, purpose: Purpose, sandbox_id: str) -> Grant | None:
    """Return what the cookie of this WebSocket opens, for the last time; a WebSocket without one is refused."""
    # The guard has checked Host and Origin.
    access = access_of(viewer)
    cookie = cookie_value(viewer.headers.get("cookie", ""), access.visit_cookie(purpose))
    grant = await access.visit(purpose, cookie, once=True) if cookie else None
    if grant is None or grant.sandbox_id != sandbox_id:
        await viewer.close(Close.REFUSED, "no ticket")  # before it is accepted: HTTP 403
        return None
    return grant


@asynccontextmanager
async def visiting(viewer: WebSocket, sandbox_id: str, grant: Grant) -> AsyncIterator[tuple[Box, relay.Ending]]:
    """Open the sandbox for an accepted WebSocket: all the time is activity, and what goes wrong is its close reason.

    Use it with `relay.connect`: `async with visiting(…) as (box, ending), box.socket(…) as inner: await connect(…)`.
    """
    pool = pool_of(viewer)
    try:
        with relay.Ending.of(sandbox_id, pool.events) as ending:
            async with opened(pool, sandbox_id, grant.generation) as box:
                yield box, ending
    except SandboxError as error:
        await relay.close(viewer, Close.ENDED, error.detail)
