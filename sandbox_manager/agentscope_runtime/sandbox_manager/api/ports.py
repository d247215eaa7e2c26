"""`/v1/sandboxes/{id}/ports`: addresses under which programs that listen in a sandbox are visited."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.api.answers import as_json
from agentscope_runtime.sandbox_manager.api.gateway import Ask, answer, pool_of
from agentscope_runtime.sandbox_manager.api.grants import Grant
from agentscope_runtime.sandbox_manager.api.port_places import PreviewHosts, by_path
from agentscope_runtime.sandbox_manager.api.previews import TICKET
from agentscope_runtime.sandbox_manager.api.visits import access_of, leased

router = APIRouter(tags=["ports"])

OPEN_WITHIN = 300.0
"""Seconds that a link may lie unopened if nothing else is said: somebody finds it in a chat."""
QUICK = 10.0


@router.post("/v1/sandboxes/{sandbox_id}/ports", response_model=wire.PortLink)
async def open_port(sandbox_id: str, body: wire.PortRequest, request: Request) -> Response:
    """Make an address for a port: a link that opens a host of its own, once; or, by `path`, one that is a secret."""
    record = await leased(request, sandbox_id)
    previews: PreviewHosts = request.app.state.previews
    ask = Ask("GET", f"/ports/{body.port}", timeout=QUICK, generation=record.generation)
    async with answer(pool_of(request), sandbox_id, ask):
        pass  # the box knows which ports are its own
    grant = Grant(sandbox_id, generation=record.generation, detail=str(body.port))
    place = previews.make(request, sandbox_id, body.port)
    if body.path or place is None:
        seconds = body.expires_in or wire.PORT_SECONDS_MAX
        place = by_path(request, sandbox_id, body.port, await access_of(request).issue("preview", grant, seconds))
        return as_json(wire.PortLink(url=f"{place.base}/", expires_in=body.expires_in, port=body.port))
    seconds = body.expires_in or OPEN_WITHIN
    ticket = await access_of(request).issue("port", grant, seconds)
    return as_json(wire.PortLink(url=f"{place.base}/?{TICKET}={ticket}", expires_in=seconds, port=body.port))
