"""`/v1/sandboxes/{id}/commands`: commands that run in a sandbox, their output while it comes, their input, their end.

Everything passes through as it is; what it means is in the box. A command in the foreground ends when whoever follows
it leaves: the stream from the box is closed with the caller's.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import CommandNotFound
from agentscope_runtime.sandbox_manager.api.gateway import Ask, Stream, pool_of, relay, upload
from agentscope_runtime.sandbox_manager.api.tools import ARGUMENTS_LIMIT, JSON

router = APIRouter(prefix="/v1/sandboxes/{sandbox_id}/commands", tags=["commands"])

NDJSON = "application/x-ndjson"
QUICK = 60.0
"""Seconds for what does not wait for a command."""
Wait = Annotated[float, Query(ge=0, le=60)]
Position = Annotated[int, Query(alias="from", ge=0, le=1 << 60)]
"""In bytes, both streams together."""
BYTES = {"type": "string", "format": "binary"}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Its output so far, or until its end, as lines of JSON", "content": {NDJSON: {}}}
}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that the box checks, for the OpenAPI document."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "",
    status_code=201,
    response_model=wire.CommandInfo,
    max_body_size=ARGUMENTS_LIMIT,
    openapi_extra=body_of(wire.CommandRequest),
)
async def start_command(sandbox_id: str, request: Request, follow: bool = False) -> Response:
    """Start a command; with `follow` the answer is its output, as lines of JSON, until its end."""
    body = await request.body()
    if follow:
        ask = Ask("POST", "/commands", {"follow": "true"}, body, JSON)
        return Stream(pool_of(request), sandbox_id, ask, NDJSON)
    return await relay(request, sandbox_id, Ask("POST", "/commands", data=body, headers=JSON, timeout=QUICK))


@router.get("", response_model=wire.CommandList)
async def list_commands(sandbox_id: str, request: Request) -> Response:
    """List the commands that run, and those that ended and are remembered."""
    return await relay(request, sandbox_id, Ask("GET", "/commands", timeout=QUICK))


@router.get("/{command_id}", response_model=wire.CommandInfo)
async def command(sandbox_id: str, command_id: str, request: Request, wait: Wait = 0.0) -> Response:
    """Describe one command, after waiting so many seconds for its end."""
    params = {"wait": f"{wait:g}"}
    return await relay(request, sandbox_id, Ask("GET", _path(command_id), params, timeout=QUICK + wait))


@router.delete("/{command_id}", status_code=204)
async def remove_command(sandbox_id: str, command_id: str, request: Request) -> Response:
    """Kill a command with all that it started, and forget it; a missing one is fine."""
    return await relay(request, sandbox_id, Ask("DELETE", _path(command_id), timeout=QUICK))


@router.get("/{command_id}/output", response_class=Response, responses=STREAMED)
async def output(
    sandbox_id: str, command_id: str, request: Request, position: Position = 0, follow: bool = False
) -> Response:
    """Read what a command wrote, from a position on; with `follow` go on until its end."""
    params = {"from": str(position), "follow": str(follow).lower()}
    return Stream(pool_of(request), sandbox_id, Ask("GET", _path(command_id, "/output"), params), NDJSON)


@router.post(
    "/{command_id}/stdin",
    status_code=204,
    max_body_size=sys.maxsize,  # it streams through
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {"schema": BYTES}}}},
)
async def write(sandbox_id: str, command_id: str, request: Request, end: bool = False) -> Response:
    """Write the body to a command's stdin, no faster than it reads; with `end` that is closed afterwards."""
    ask = Ask("POST", _path(command_id, "/stdin"), {"end": str(end).lower()}, upload(request))
    return await relay(request, sandbox_id, ask)


@router.post("/{command_id}/signal", response_model=wire.CommandInfo, openapi_extra=body_of(wire.SignalRequest))
async def signal(sandbox_id: str, command_id: str, request: Request) -> Response:
    """Send a command a signal."""
    body = await request.body()
    ask = Ask("POST", _path(command_id, "/signal"), data=body, headers=JSON, timeout=QUICK)
    return await relay(request, sandbox_id, ask)


def _path(command_id: str, rest: str = "") -> str:
    if command_id in (".", ".."):  # a URL would fold them away
        raise CommandNotFound(f"there is no command {command_id!r}")
    return f"/commands/{quote(command_id, safe='')}{rest}"
