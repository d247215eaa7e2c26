"""Terminals: `/v1/sandboxes/{id}/terminals`, links to them, and the WebSocket behind their page.

How links and their tickets work is in `visits`; what is said on the WebSocket, in the box.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from fastapi import APIRouter
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import CommandNotFound, InvalidRequest
from agentscope_runtime.sandbox_manager.api import relay, visits
from agentscope_runtime.sandbox_manager.api.answers import as_json
from agentscope_runtime.sandbox_manager.api.auth import OPEN_BODY_LIMIT
from agentscope_runtime.sandbox_manager.api.commands import QUICK, body_of
from agentscope_runtime.sandbox_manager.api.gateway import Ask, answer, pool_of
from agentscope_runtime.sandbox_manager.api.gateway import relay as pass_on
from agentscope_runtime.sandbox_manager.api.grants import LINK_SECONDS, Grant
from agentscope_runtime.sandbox_manager.api.tools import JSON

router = APIRouter(tags=["terminals"])

TAKEN_MAX = 100
"""Characters in which a watcher says how much it has dealt with; more is not read, which would keep others waiting."""
MAIN = "main"
"""The terminal that is meant where none is named: whoever comes back finds what they left."""


@router.post(
    "/v1/sandboxes/{sandbox_id}/terminals",
    status_code=201,
    response_model=wire.TerminalInfo,
    openapi_extra=body_of(wire.TerminalRequest),
)
async def start_terminal(sandbox_id: str, request: Request) -> Response:
    """Start a terminal: an interactive shell, or a command."""
    ask = Ask("POST", "/terminals", data=await request.body(), headers=JSON, timeout=QUICK)
    return await pass_on(request, sandbox_id, ask)


@router.get("/v1/sandboxes/{sandbox_id}/terminals", response_model=wire.TerminalList)
async def list_terminals(sandbox_id: str, request: Request) -> Response:
    """List the terminals that run, and those that ended and are remembered."""
    return await pass_on(request, sandbox_id, Ask("GET", "/terminals", timeout=QUICK))


@router.get("/v1/sandboxes/{sandbox_id}/terminals/{terminal_id}", response_model=wire.TerminalInfo)
async def terminal(sandbox_id: str, terminal_id: str, request: Request) -> Response:
    """Describe one terminal."""
    return await pass_on(request, sandbox_id, Ask("GET", _path(terminal_id), timeout=QUICK))


@router.delete("/v1/sandboxes/{sandbox_id}/terminals/{terminal_id}", status_code=204)
async def end_terminal(sandbox_id: str, terminal_id: str, request: Request) -> Response:
    """End a terminal with all that it started, and forget it; a missing one is fine."""
    return await pass_on(request, sandbox_id, Ask("DELETE", _path(terminal_id), timeout=QUICK))


@router.post("/v1/sandboxes/{sandbox_id}/terminal", response_model=wire.TerminalLink)
async def open_terminal(sandbox_id: str, body: wire.TerminalLinkRequest, request: Request) -> Response:
    """Make a link that opens a terminal once: the one that is named, or the sandbox's main one, started if need be."""
    record = await visits.leased(request, sandbox_id)
    if body.terminal_id is None:
        ask = Ask("PUT", _path(MAIN), data=b"{}", headers=JSON, timeout=QUICK, generation=record.generation)
    else:
        ask = Ask("GET", _path(body.terminal_id), timeout=QUICK, generation=record.generation)
    async with answer(pool_of(request), sandbox_id, ask) as response:
        terminal_id: str = from_json(await response.read())["terminal_id"]
    grant = Grant(sandbox_id, body.control, record.generation, terminal_id)
    link = wire.TerminalLink(
        url=await visits.link(request, "terminal", grant),
        expires_in=LINK_SECONDS,
        control=body.control,
        terminal_id=terminal_id,
    )
    return as_json(link)


@router.post("/terminal/{sandbox_id}/session", include_in_schema=False, max_body_size=OPEN_BODY_LIMIT)
async def start_session(sandbox_id: str, body: visits.Ticket, request: Request) -> Response:
    """Exchange a link's ticket for a cookie that opens the WebSocket, once; tells the page what it will show."""
    grant, record = await visits.begin(request, "terminal", sandbox_id, body.ticket)
    told = {"sandbox_type": record.sandbox_type, "control": grant.control, "terminal_id": grant.detail}
    response = JSONResponse(told)
    await visits.set_cookie(response, request, "terminal", grant)
    return response


@router.websocket("/terminal/{sandbox_id}/websocket")
async def show(sandbox_id: str, viewer: WebSocket) -> None:
    """Show the terminal until the viewer leaves, its program ends or the lease does; all the time is activity."""
    grant = await visits.arrive(viewer, "terminal", sandbox_id)
    if grant is None:
        return
    await viewer.accept()
    path = f"{_path(grant.detail)}/socket"
    async with visits.visiting(viewer, sandbox_id, grant) as (box, ending), box.socket(path) as inner:
        await relay.connect(viewer, inner, ending, None if grant.control else watching)


def watching(words: relay.Words) -> relay.Words | None:
    """Let a watcher say how much it has dealt with, and nothing else: no key, no size."""
    if isinstance(words, bytes) or len(words) > TAKEN_MAX:
        return None
    try:
        said = json.loads(words)
    except (ValueError, RecursionError):
        said = None
    taken = said.get("taken") if isinstance(said, dict) else None
    return json.dumps({"taken": taken}) if isinstance(taken, int) else None


def _path(terminal_id: str) -> str:
    if terminal_id in (".", ".."):  # a URL would fold them away
        raise CommandNotFound(f"there is no terminal {terminal_id!r}")
    if not terminal_id:
        raise InvalidRequest("terminal_id is empty; leave it out for the sandbox's main terminal")
    return f"/terminals/{quote(terminal_id, safe='')}"
