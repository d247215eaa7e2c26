"""Whether the manager lives, and whether it can serve; open to everybody, so nothing else is told."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.api.gateway import pool_of

router = APIRouter(tags=["health"])

DISTRIBUTION = "agentscope-runtime-sandboxed"


def version() -> str:
    """Return the version of this distribution; of a checkout that was never installed, `0+checkout`."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "0+checkout"


_HEALTHY = json.dumps({"status": "healthy", "version": version()}).encode()


@router.get("/health")
async def health() -> Response:
    """Tell that the manager answers, and its version."""
    return Response(_HEALTHY, media_type="application/json")


@router.get("/liveness")
async def liveness() -> Response:
    """Tell that the manager answers; where it does not, restart it."""
    return _json({"status": "alive"})


@router.get("/readiness")
async def readiness(request: Request) -> Response:
    """Tell whether every pool was full once; until then 503, and what is missing and why."""
    state = request.app.state
    if not state.filled_once:
        report = await pool_of(request).report()
        missing = {kind: told for kind, pool in report.types.items() if (told := _missing(pool)) is not None}
        if missing:
            failing = all(kind["reason"] for kind in missing.values())
            return _json({"status": "failing" if failing else "starting", "missing": missing}, 503)
        state.filled_once = True
    return _json({"status": "ready"})


def _missing(pool: wire.PoolStatus) -> dict[str, Any] | None:
    """Say what keeps a pool from having been full; leases came out of it, so they count."""
    if pool.ready + pool.leased >= pool.target:
        return None
    return {
        "ready": pool.ready,
        "target": pool.target,
        "reason": pool.failures.reason,
        "retry_in": pool.failures.retry_in,
    }


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type="application/json")
