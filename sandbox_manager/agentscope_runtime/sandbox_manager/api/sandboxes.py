"""`/v1/sandboxes` and `/v1/pool`: what there is."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.api.answers import as_json, no_content
from agentscope_runtime.sandbox_manager.api.gateway import pool_of

router = APIRouter(prefix="/v1", tags=["sandboxes"])


@router.get("/sandboxes", response_model=wire.SandboxList)
async def sandboxes(request: Request) -> Response:
    """List all sandboxes, leased or not."""
    records = await pool_of(request).sandboxes()
    return as_json(wire.SandboxList(sandboxes=[record.to_info() for record in records]))


@router.get("/sandboxes/{sandbox_id}", response_model=wire.SandboxInfo)
async def sandbox(sandbox_id: str, request: Request) -> Response:
    """Describe one sandbox."""
    return as_json((await pool_of(request).sandbox(sandbox_id)).to_info())


@router.post("/sandboxes/{sandbox_id}/touch", response_model=wire.SandboxInfo)
async def touch(sandbox_id: str, request: Request) -> Response:
    """Keep a sandbox, and with it its lease, from being idle; one that is suspended stays so."""
    return as_json((await pool_of(request).touch(sandbox_id)).to_info())


@router.delete("/sandboxes/{sandbox_id}", status_code=204)
async def release_sandbox(sandbox_id: str, request: Request) -> Response:
    """Give back one sandbox, whoever holds it; a missing one is fine."""
    await pool_of(request).release_sandbox(sandbox_id)
    return no_content()


@router.get("/pool", response_model=wire.PoolReport)
async def pool(request: Request) -> Response:
    """Report how the pools stand, and why sandboxes do not start where they do not."""
    return as_json(await pool_of(request).report())
