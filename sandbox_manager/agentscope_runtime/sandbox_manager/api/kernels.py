"""`/v1/sandboxes/{id}/kernels`: the Python kernels of a sandbox. Running a cell in one is a tool."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.api.gateway import Ask, relay

router = APIRouter(prefix="/v1/sandboxes/{sandbox_id}/kernels", tags=["kernels"])

QUICK = 30.0
START = 60.0
"""Seconds for one that starts."""
KernelName = Annotated[str, Path(pattern=wire.KERNEL_NAME)]


@router.get("", response_model=wire.KernelList)
async def list_kernels(sandbox_id: str, request: Request) -> Response:
    """List the kernels of one sandbox."""
    return await relay(request, sandbox_id, Ask("GET", "/kernels", timeout=QUICK))


@router.post("/{name}/interrupt", response_model=wire.Interrupted)
async def interrupt_kernel(sandbox_id: str, name: KernelName, request: Request) -> Response:
    """Interrupt the cell that runs in a kernel; its variables stay."""
    return await relay(request, sandbox_id, Ask("POST", f"/kernels/{name}/interrupt", timeout=QUICK))


@router.post("/{name}/restart", response_model=wire.KernelInfo)
async def restart_kernel(sandbox_id: str, name: KernelName, request: Request) -> Response:
    """Put a fresh kernel in the place of one, and answer when it can run cells."""
    return await relay(request, sandbox_id, Ask("POST", f"/kernels/{name}/restart", timeout=START))


@router.delete("/{name}", status_code=204)
async def stop_kernel(sandbox_id: str, name: KernelName, request: Request) -> Response:
    """End a kernel; one that there is not is fine."""
    return await relay(request, sandbox_id, Ask("DELETE", f"/kernels/{name}", timeout=QUICK))
