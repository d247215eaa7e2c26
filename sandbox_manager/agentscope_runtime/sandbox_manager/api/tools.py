"""`/v1/sandboxes/{id}/tools`: what a sandbox can do, and doing it. Calls and results pass through as they are."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import UnknownTool
from agentscope_runtime.sandbox_manager.api.gateway import Ask, relay

router = APIRouter(prefix="/v1/sandboxes/{sandbox_id}/tools", tags=["tools"])

GRACE = 0.9
"""Seconds that a box may take beyond the call's own time-out to say that it ran out; one that does not is given up."""
LONGEST = 3600.0
"""Seconds for calls that name no time-out: the tools have their own, so this only ends what would hang for ever."""
PARSED = 1 << 18
"""Bytes; longer bodies are not read as JSON here, which would keep everybody else waiting."""
JSON = {"Content-Type": "application/json"}


@router.get("", response_model=wire.ToolList)
async def list_tools(sandbox_id: str, request: Request) -> Response:
    """List the tools of one sandbox."""
    return await relay(request, sandbox_id, Ask("GET", "/tools", timeout=30))


@router.post(
    "/{name}",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": wire.ToolCall.model_json_schema()}}}},
)
async def call_tool(sandbox_id: str, name: str, request: Request) -> Response:
    """Run a tool; what fails inside the sandbox is a result with `isError`."""
    if name in (".", ".."):  # a URL would fold them away
        raise UnknownTool(f"there is no tool {name!r}")
    body = await request.body()
    ask = Ask("POST", f"/tools/{quote(name, safe='')}", data=body, headers=JSON, timeout=_patience(body))
    return await relay(request, sandbox_id, ask)


def _patience(body: bytes) -> float:
    """Return how long to wait for the box; a body that makes no sense is for the box to refuse."""
    timeout = _at_the_end(body) if len(body) > PARSED else _within(body)
    return timeout + GRACE if isinstance(timeout, int | float) and 0 < timeout < LONGEST else LONGEST


def _within(body: bytes) -> Any:
    if b'"timeout"' not in body:
        return None
    try:
        return json.loads(body).get("timeout")
    except (ValueError, AttributeError, RecursionError):
        return None


def _at_the_end(body: bytes) -> float | None:
    """Find the time-out where our client puts it, last: one brace closes the body after it."""
    found = re.search(rb'"timeout"\s*:\s*([0-9]{1,4}(?:\.[0-9]+)?)\s*\}\s*$', body[-100:])
    return None if found is None else float(found[1])
