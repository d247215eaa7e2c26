"""Watching a sandbox: its desktop's link, its page, and the WebSocket on which its pixels come.

How links and their tickets work is in `visits`; what a watcher may say, in `rfb`.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import CallTimeout, InvalidRequest, StartFailed
from agentscope_runtime.sandbox_manager.api import gateway, relay, visits
from agentscope_runtime.sandbox_manager.api.answers import as_json
from agentscope_runtime.sandbox_manager.api.auth import OPEN_BODY_LIMIT
from agentscope_runtime.sandbox_manager.api.grants import LINK_SECONDS, Grant
from agentscope_runtime.sandbox_manager.api.rfb import ProtocolViolation, WatchOnly
from agentscope_runtime.sandbox_manager.states import SandboxRecord

router = APIRouter(tags=["desktop"])

START_SECONDS = 30.0
"""For a desktop that starts with its first viewer; it takes a second."""
RESIZE_SECONDS = 15.0
JSON = {"Content-Type": "application/json"}


@router.post("/v1/sandboxes/{sandbox_id}/desktop", response_model=wire.DesktopLink)
async def open_desktop(sandbox_id: str, body: wire.DesktopRequest, request: Request) -> Response:
    """Make a link that shows the desktop once, to watch, or with `control` to use mouse and keyboard, too."""
    record = await _with_desktop(request, sandbox_id)
    grant = Grant(sandbox_id, body.control, record.generation)
    url = await visits.link(request, "desktop", grant)
    return as_json(wire.DesktopLink(url=url, expires_in=LINK_SECONDS, control=body.control))


@router.get("/v1/sandboxes/{sandbox_id}/screen", response_model=wire.Screen)
async def get_screen(sandbox_id: str, request: Request) -> Response:
    """Tell the size of a sandbox's screen."""
    await _with_desktop(request, sandbox_id)
    return await gateway.relay(request, sandbox_id, gateway.Ask("GET", "/screen", timeout=RESIZE_SECONDS))


@router.put("/v1/sandboxes/{sandbox_id}/screen", response_model=wire.Screen)
async def resize_screen(sandbox_id: str, body: wire.Screen, request: Request) -> Response:
    """Give a sandbox's screen another size; everything on it goes on."""
    await _with_desktop(request, sandbox_id)
    size = body.model_dump_json().encode()
    ask = gateway.Ask("PUT", "/screen", data=size, headers=JSON, timeout=RESIZE_SECONDS)
    return await gateway.relay(request, sandbox_id, ask)


@router.post("/desktop/{sandbox_id}/session", include_in_schema=False, max_body_size=OPEN_BODY_LIMIT)
async def start_session(sandbox_id: str, body: visits.Ticket, request: Request) -> Response:
    """Exchange a link's ticket for a cookie that opens the WebSocket, once; tells the page what it will show."""
    grant, record = await visits.begin(request, "desktop", sandbox_id, body.ticket)
    response = JSONResponse({"sandbox_type": record.sandbox_type, "control": grant.control})
    await visits.set_cookie(response, request, "desktop", grant)
    return response


@router.websocket("/desktop/{sandbox_id}/websocket")
async def watch(sandbox_id: str, viewer: WebSocket) -> None:
    """Show the desktop until the viewer leaves or the lease ends; all the time counts as activity."""
    grant = await visits.arrive(viewer, "desktop", sandbox_id)
    if grant is None:
        return
    await viewer.accept("binary" if "binary" in viewer.scope.get("subprotocols", ()) else None)
    say = _binary if grant.control else _watching()
    async with visits.visiting(viewer, sandbox_id, grant) as (box, ending):
        try:
            async with box.request("POST", "/desktop", timeout=START_SECONDS):
                pass  # answered when it draws: some start with their first viewer
        except (CallTimeout, StartFailed) as error:
            await relay.close(viewer, relay.Close.LOST, error.detail)
            return
        async with box.websocket() as desktop:
            await relay.connect(viewer, desktop, ending, say)


async def _with_desktop(request: Request, sandbox_id: str) -> SandboxRecord:
    record = await visits.leased(request, sandbox_id)
    if record.address is None or record.address.desktop_port is None:
        raise InvalidRequest(f"a {record.sandbox_type} sandbox has no desktop")
    return record


def _binary(words: relay.Words) -> relay.Words | None:
    """Let pass what can be VNC: text frames cannot."""
    return words if isinstance(words, bytes) else None


def _watching() -> relay.Filter:
    watcher = WatchOnly()

    def say(words: relay.Words) -> relay.Words | None:
        try:
            return watcher.feed(words) or None if isinstance(words, bytes) else None
        except ProtocolViolation as error:
            raise relay.Refused(f"This viewer does not speak VNC: {error}.") from error

    return say
