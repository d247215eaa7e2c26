"""Driving a sandbox's browser by the DevTools protocol: an address for programs, which opens once, and its WebSocket.

Programs such as Playwright take an address and nothing else, neither header nor cookie: so the ticket stands in the
path. What stands in logs afterwards is used up. `…/json/version` is there for those that begin with http://.
Not here: what a program may say (`sandbox_server.browser.remote`); how tickets work (`grants`).
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, NotFound, SandboxNotFound
from agentscope_runtime.sandbox_manager.api import relay, visits
from agentscope_runtime.sandbox_manager.api.answers import as_json
from agentscope_runtime.sandbox_manager.api.gateway import OVER, Ask, answer, pool_of
from agentscope_runtime.sandbox_manager.api.grants import LINK_SECONDS, Grant
from agentscope_runtime.sandbox_manager.api.relay import Close

router = APIRouter(tags=["browser"])

VERSION = Ask("GET", "/cdp/version", timeout=30.0)
USED = "This address was opened before, or is too old. Each opens once, within a minute; ask for a new one."


@router.post("/v1/sandboxes/{sandbox_id}/cdp", response_model=wire.CdpLink)
async def open_cdp(sandbox_id: str, request: Request) -> Response:
    """Make an address by which a program drives the browser once, beside the tools and whoever watches."""
    record = await visits.leased(request, sandbox_id)
    await _version(request, sandbox_id)
    ticket = await visits.access_of(request).issue("cdp", Grant(sandbox_id, generation=record.generation), LINK_SECONDS)
    return as_json(wire.CdpLink(url=_address(request, sandbox_id, ticket), expires_in=LINK_SECONDS))


@router.get("/cdp/{sandbox_id}/{ticket}/json/version", include_in_schema=False)
@router.get("/cdp/{sandbox_id}/{ticket}/json/version/", include_in_schema=False)
async def version(sandbox_id: str, ticket: str, request: Request) -> Response:
    """Say which browser it is, and where its WebSocket is, as a browser does that listens itself; uses nothing up."""
    grant = await visits.access_of(request).look("cdp", ticket)
    if grant is None or grant.sandbox_id != sandbox_id:
        raise NotAuthorized(USED)
    record = await visits.leased(request, sandbox_id)
    if not record.is_of(grant.generation):
        raise SandboxNotFound(OVER)
    told = await _version(request, sandbox_id)
    return as_json(told.model_copy(update={"webSocketDebuggerUrl": _address(request, sandbox_id, ticket)}))


@router.websocket("/cdp/{sandbox_id}/{ticket}")
async def drive(sandbox_id: str, ticket: str, program: WebSocket) -> None:
    """Carry the program's words until it leaves or the lease ends; all the time counts as activity."""
    # The guard has checked Host, and that no page of a browser calls.
    grant = await visits.access_of(program).use_up("cdp", ticket)
    if grant is None or grant.sandbox_id != sandbox_id:
        await program.close(Close.REFUSED, "no ticket")  # before it is accepted: HTTP 403
        return
    await program.accept()
    async with visits.visiting(program, sandbox_id, grant) as (box, ending), box.socket("/cdp") as browser:
        await relay.connect(program, browser, ending, _text)


def _text(words: relay.Words) -> relay.Words | None:
    """Let pass what can be CDP: binary frames cannot."""
    return words if isinstance(words, str) else None


def _address(connection: HTTPConnection, sandbox_id: str, ticket: str) -> str:
    return "ws" + visits.public_url(connection, f"/cdp/{sandbox_id}/{ticket}").removeprefix("http")


async def _version(request: Request, sandbox_id: str) -> wire.CdpVersion:
    try:
        async with answer(pool_of(request), sandbox_id, VERSION) as response:
            return wire.CdpVersion.model_validate_json(await response.read())
    except SandboxNotFound:
        raise
    except NotFound as error:
        record = await pool_of(request).sandbox(sandbox_id)
        raise InvalidRequest(f"a {record.sandbox_type} sandbox has no browser that programs can drive") from error
