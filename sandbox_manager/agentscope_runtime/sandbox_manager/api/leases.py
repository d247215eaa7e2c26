"""`/v1/leases`: connecting sessions to sandboxes, and giving these back."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.api.answers import as_json, no_content
from agentscope_runtime.sandbox_manager.api.gateway import pool_of, unless_left
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.states import Lease, LeaseKey

router = APIRouter(prefix="/v1/leases", tags=["leases"])


@router.post("", response_model=wire.LeaseInfo)
async def connect(body: wire.ConnectRequest, request: Request) -> Response:
    """Lease one sandbox of each kind to a session: all or none; repeating it gives the same ones."""
    pool = pool_of(request)
    key = LeaseKey(body.user_id, body.session_id)
    connecting = pool.connect(key, body.sandbox_types, body.options, wait_s=body.wait_s)
    # Whoever leaves the line is out of it. The others are answered soon enough to do without the watch for that.
    lease = await (unless_left(request.receive, connecting) if body.wait_s else connecting)
    return no_content() if lease is None else as_json(_info(pool, lease))


@router.post("/renew", response_model=wire.LeaseInfo)
async def renew(body: wire.RenewRequest, request: Request) -> Response:
    """Let a lease go on for longer than it would, or shorter; counts as use, and starts nothing that is suspended."""
    pool = pool_of(request)
    return as_json(_info(pool, await pool.renew(LeaseKey(body.user_id, body.session_id), body.seconds)))


@router.get("", response_model=wire.LeaseList)
async def leases(request: Request) -> Response:
    """List all leases."""
    pool = pool_of(request)
    return as_json(wire.LeaseList(leases=[_info(pool, lease) for lease in await pool.leases()]))


@router.delete("", status_code=204)
async def release(session_id: wire.Name, request: Request, user_id: str = "") -> Response:
    """Give back all that a session holds; nothing to give back is fine."""
    await pool_of(request).release(LeaseKey(user_id, session_id))
    return no_content()


def _info(pool: Pool, lease: Lease) -> wire.LeaseInfo:
    return lease.to_info(pool.idle_timeout, pool.idle_action)
