"""`/v1/sandboxes/{id}/files`: the workspace of a sandbox. Contents of any size stream through, both ways."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox_manager.api.gateway import Ask, Download, Stream, pool_of, relay, upload

router = APIRouter(prefix="/v1/sandboxes/{sandbox_id}/files", tags=["files"])

QUICK = 60.0
"""Seconds for what does not move contents. Those may take as long as they flow."""
ASKED = ("range", "if-range")
SENT = ("content-length", "content-type")
TAR = "application/x-tar"
NDJSON = "application/x-ndjson"
Seconds = Annotated[float | None, Query(gt=0, le=86_400)]

BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BODY = {"requestBody": {"content": BYTES}}
PARTS: dict[int | str, dict[str, Any]] = {
    206: {"description": "The part that a Range header asks for", "content": BYTES},
    416: {"description": "It has no such part"},
}


def _taking(members: set[str]) -> dict[str, Any]:
    """Describe a body of texts that the box checks, for the OpenAPI document."""
    texts = {name: {"type": "string", "minLength": 1} for name in sorted(members)}
    schema = {"type": "object", "properties": texts, "required": sorted(members)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get("/content", response_class=Response, responses=PARTS)
async def read_file(sandbox_id: str, path: str, request: Request) -> Response:
    """Read a file, or the part of it that a Range header asks for."""
    ask = Ask("GET", "/files/content", {"path": path}, headers=known(request, ASKED))
    return Download(pool_of(request), sandbox_id, ask, quote(PurePosixPath(path).name, safe="") or "file")


# Contents stream through: the workspace is the limit.
@router.put("/content", max_body_size=sys.maxsize, openapi_extra=BODY)
async def write_file(sandbox_id: str, path: str, request: Request) -> Response:
    """Write a file, and the folders it stands in."""
    ask = Ask("PUT", "/files/content", {"path": path}, upload(request), known(request, SENT))
    return await relay(request, sandbox_id, ask)


@router.get("/archive", response_class=Response)
async def read_archive(sandbox_id: str, path: str, request: Request) -> Response:
    """Read a folder as a tar stream; links in it come as links."""
    return Stream(pool_of(request), sandbox_id, Ask("GET", "/files/archive", {"path": path}), TAR)


@router.put("/archive", max_body_size=sys.maxsize, openapi_extra=BODY)
async def write_archive(sandbox_id: str, path: str, request: Request) -> Response:
    """Unpack a tar stream into a folder, all of it or nothing; what has the same name there is replaced."""
    ask = Ask("PUT", "/files/archive", {"path": path}, upload(request), known(request, SENT))
    return await relay(request, sandbox_id, ask)


@router.get("/watch", response_class=Response)
async def watch(
    sandbox_id: str, path: str, request: Request, recursive: bool = False, seconds: Seconds = None
) -> Response:
    """Tell of changes in a folder as lines of JSON while they happen, for so many seconds; it counts as activity."""
    params = {"path": path, "recursive": str(recursive).lower()}
    if seconds is not None:
        params["seconds"] = f"{seconds:g}"
    return Stream(pool_of(request), sandbox_id, Ask("GET", "/files/watch", params), NDJSON)


@router.get("/entry")
async def entry(sandbox_id: str, path: str, request: Request) -> Response:
    """Describe one file or folder."""
    return await relay(request, sandbox_id, Ask("GET", "/files/entry", {"path": path}, timeout=QUICK))


@router.get("/entries")
async def list_entries(sandbox_id: str, path: str, request: Request, depth: int = 1) -> Response:
    """List a folder, `depth` levels deep."""
    params = {"path": path, "depth": str(depth)}
    return await relay(request, sandbox_id, Ask("GET", "/files/entries", params, timeout=QUICK))


@router.get("/exists")
async def exists(sandbox_id: str, path: str, request: Request) -> Response:
    """Tell whether a path exists."""
    return await relay(request, sandbox_id, Ask("GET", "/files/exists", {"path": path}, timeout=QUICK))


@router.post("/directories", openapi_extra=_taking({"path"}))
async def make_directory(sandbox_id: str, request: Request) -> Response:
    """Make the folder `path`, and those it stands in."""
    return await _pass_on(sandbox_id, "/files/directories", request)


@router.post("/move", openapi_extra=_taking({"source", "destination"}))
async def move(sandbox_id: str, request: Request) -> Response:
    """Move or rename `source` to `destination`."""
    return await _pass_on(sandbox_id, "/files/move", request)


@router.delete("", status_code=204)
async def remove(sandbox_id: str, path: str, request: Request) -> Response:
    """Remove a file, or a folder with all in it; a missing one is fine."""
    return await relay(request, sandbox_id, Ask("DELETE", "/files", {"path": path}, timeout=QUICK))


def known(request: Request, names: Iterable[str]) -> dict[str, str]:
    """Return those headers of a request that a box is to see, too."""
    return {name: value for name in names if (value := request.headers.get(name))}


async def _pass_on(sandbox_id: str, path: str, request: Request) -> Response:
    json = {"Content-Type": "application/json"}
    body = await request.body()
    return await relay(request, sandbox_id, Ask("POST", path, data=body, headers=json, timeout=QUICK))
