"""`/v1/sandboxes/{id}/tools`: what a sandbox can do, and doing it. Calls and results pass through as they are."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import UnknownTool
from agentscope_runtime.sandbox_manager.api.gateway import Ask, relay, unless_left

router = APIRouter(prefix="/v1/sandboxes/{sandbox_id}/tools", tags=["tools"])

GRACE = 0.9
"""Seconds that a box may take beyond the call's own time-out to say that it ran out; one that does not is given up."""
LONGEST = 3600.0
"""Seconds for calls whose time-out is not known here: the box has its own, so this only ends what would hang."""
PARSED = 64 << 10
"""Bytes; longer bodies are not read as JSON here, which would keep everybody else waiting. The box ends the call in
time all the same; only one that hangs is then waited for longer."""
ARGUMENTS_LIMIT = 32 << 20
"""Bytes of one call's arguments; files are for what is larger."""
CALLER_LEFT = 499
"""To nobody."""
STOP_WITHIN = 2.0
KEY_HEADER = "Idempotency-Key"
"""By which a box knows a call that is asked for again: it is answered, and not made twice."""
JSON = {"Content-Type": "application/json"}


@router.get("", response_model=wire.ToolList)
async def list_tools(sandbox_id: str, request: Request) -> Response:
    """List the tools of one sandbox."""
    return await relay(request, sandbox_id, Ask("GET", "/tools", timeout=30))


@router.post(
    "/{name}",
    max_body_size=ARGUMENTS_LIMIT,
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": wire.ToolCall.model_json_schema()}}}},
)
async def call_tool(sandbox_id: str, name: str, request: Request) -> Response:
    """Run a tool; what fails inside the sandbox is a result with `isError`. A caller who leaves stops it."""
    if name in (".", ".."):  # a URL would fold them away
        raise UnknownTool(f"there is no tool {name!r}")
    body = await request.body()
    key = request.headers.get(KEY_HEADER)
    headers = JSON if key is None else {**JSON, KEY_HEADER: key}
    ask = Ask("POST", f"/tools/{quote(name, safe='')}", data=body, headers=headers, timeout=_patience(body))
    answer = await unless_left(request.receive, relay(request, sandbox_id, ask))
    if answer is None and key is not None:
        # The caller has left, and this manager has not: nobody is going to ask for this call again.
        await relay(request, sandbox_id, Ask("DELETE", f"/calls/{quote(key, safe='')}", timeout=STOP_WITHIN))
    return answer or Response(status_code=CALLER_LEFT)


def _patience(body: bytes) -> float:
    """Return how long to wait for the box; a body that makes no sense is for the box to refuse."""
    timeout = None
    if len(body) <= PARSED:
        with suppress(ValueError, AttributeError, RecursionError):
            timeout = json.loads(body).get("timeout")
    return timeout + GRACE if isinstance(timeout, int | float) and 0 < timeout < LONGEST else LONGEST
