"""Watching a sandbox: a link that opens once, the page behind it, and the WebSocket on which its pixels come.

The link's ticket stands in the URL's fragment, which browsers send to nobody; the page posts it for a cookie that opens
one WebSocket. So no secret is in a log or a history, and whoever finds a used link holds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, SandboxError, SandboxNotFound
from agentscope_runtime.sandbox_manager.api import relay
from agentscope_runtime.sandbox_manager.api.answers import as_json
from agentscope_runtime.sandbox_manager.api.auth import OPEN_BODY_LIMIT, Access, check_origin, cookie_value
from agentscope_runtime.sandbox_manager.api.gateway import pool_of
from agentscope_runtime.sandbox_manager.api.grants import DESKTOP_SECONDS, OPENING_SECONDS, Grant
from agentscope_runtime.sandbox_manager.api.relay import Close
from agentscope_runtime.sandbox_manager.api.rfb import WatchOnly
from agentscope_runtime.sandbox_manager.states import State

router = APIRouter(tags=["desktop"])

USED = "This link was opened before, or is too old. Each link opens once; ask for a new one."


class Ticket(BaseModel):
    """What the page posts."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A sandbox whose desktop may be shown."""

    sandbox_id: str
    sandbox_type: str
    generation: int


def access_of(connection: HTTPConnection) -> Access:
    """Return the secrets of the application that serves this call."""
    return cast(Access, connection.app.state.access)


@router.post("/v1/sandboxes/{sandbox_id}/desktop", response_model=wire.DesktopLink)
async def open_desktop(sandbox_id: str, body: wire.DesktopRequest, request: Request) -> Response:
    """Make a link that shows the desktop once, to watch, or with `control` to use mouse and keyboard, too."""
    seen = await _find(request, sandbox_id)
    grant = Grant(sandbox_id, body.control, seen.generation)
    ticket = access_of(request).desktop_tickets.issue(grant, DESKTOP_SECONDS)
    url = f"{request.url.scheme}://{request.url.netloc}/desktop/{sandbox_id}#ticket={ticket}"
    return as_json(wire.DesktopLink(url=url, expires_in=DESKTOP_SECONDS, control=body.control))


@router.post("/desktop/{sandbox_id}/session", include_in_schema=False, max_body_size=OPEN_BODY_LIMIT)
async def start_session(sandbox_id: str, body: Ticket, request: Request) -> Response:
    """Exchange a link's ticket for a cookie that opens the WebSocket, once; tells the page what it will show."""
    check_origin(request)
    access = access_of(request)
    grant = access.desktop_tickets.use_up(body.ticket)
    if grant is None or grant.sandbox_id != sandbox_id:
        raise NotAuthorized(USED)
    seen = await _find(request, sandbox_id)
    if seen.generation != grant.generation:
        raise SandboxNotFound("The lease that this link was made for is over.")
    response = JSONResponse(
        {"sandbox_type": seen.sandbox_type, "control": grant.control}, headers={"Cache-Control": "no-store"}
    )
    response.set_cookie(
        access.desktop_cookie,
        access.desktop_sessions.issue(grant, OPENING_SECONDS),
        path=f"/desktop/{sandbox_id}",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.websocket("/desktop/{sandbox_id}/websocket")
async def watch(sandbox_id: str, viewer: WebSocket) -> None:
    """Show the desktop until the viewer leaves or the lease ends; all the time counts as activity."""
    # The guard has checked Host and Origin.
    access = access_of(viewer)
    cookie = cookie_value(viewer.headers.get("cookie", ""), access.desktop_cookie)
    grant = access.desktop_sessions.use_up(cookie) if cookie else None
    if grant is None or grant.sandbox_id != sandbox_id:
        await viewer.close(int(Close.REFUSED), "no ticket")  # before it is accepted: HTTP 403
        return
    await viewer.accept("binary" if "binary" in viewer.scope.get("subprotocols", ()) else None)
    pool = pool_of(viewer)
    try:
        with relay.Ending.of(sandbox_id, pool.events) as ending:
            async with pool.use(sandbox_id) as box, box.websocket() as desktop:
                if box.record.generation != grant.generation:
                    raise SandboxNotFound("The lease that this link was made for is over.")
                await relay.connect(viewer, desktop, ending, _everything if grant.control else WatchOnly().feed)
    except SandboxError as error:
        await relay.close(viewer, Close.ENDED, error.detail)


def _everything(data: bytes) -> bytes:
    return data


async def _find(request: Request, sandbox_id: str) -> Seen:
    record = await pool_of(request).sandbox(sandbox_id)
    if record.state is not State.LEASED:
        raise InvalidRequest(f"sandbox {sandbox_id} is {record.state.value}; a desktop is shown while it is leased")
    if record.address is None or record.address.desktop_port is None:
        raise InvalidRequest(f"a {record.sandbox_type} sandbox has no desktop")
    return Seen(record.sandbox_id, record.sandbox_type, record.generation)
