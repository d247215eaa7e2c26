"""Links to files for a person's browser: who holds one downloads one file or folder, or uploads, without a key.

A link says itself what it opens, sealed by the manager: one path, one direction, for one lease, until a time. So
links need no memory here, and end with the lease. What is downloaded is saved, never shown: it would run as a page of
the manager.
"""

from __future__ import annotations

import sys
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import FileNotFound, InvalidRequest, NotAuthorized, SandboxError
from agentscope_runtime.sandbox_manager.api import pages, visits
from agentscope_runtime.sandbox_manager.api.answers import as_json
from agentscope_runtime.sandbox_manager.api.files import ASKED, QUICK, SENT, known
from agentscope_runtime.sandbox_manager.api.gateway import Ask, Download, answer, pool_of, relay, upload

router = APIRouter(tags=["files"])

PURPOSE = "file"
CLOSED = "This link is too old, or not whole. Ask for a new one."
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


class Opens(wire.Wire):
    """What a link says of itself."""

    sandbox_id: str
    generation: int
    path: str
    """As it was given; with a slash at its end, the folder that uploads go into under names of their own."""
    method: wire.LinkMethod
    folder: bool = False
    """Whether it downloads a folder, as an archive."""


@router.post("/v1/sandboxes/{sandbox_id}/links", response_model=wire.FileLink)
async def make_link(sandbox_id: str, body: wire.LinkRequest, request: Request) -> Response:
    """Make a link to a file or folder of the workspace, to download it, or to upload to it."""
    record = await visits.leased(request, sandbox_id)
    opens = Opens(sandbox_id=sandbox_id, generation=record.generation, path=body.path, method=body.method)
    kind = await _kind(request, opens)
    if kind == "dir":
        into = body.path if body.path.endswith("/") else f"{body.path}/"
        opens = opens.model_copy(update={"folder": True} if body.method == "GET" else {"path": into})
    sealed = visits.access_of(request).seals.seal(PURPOSE, opens.model_dump(), body.expires_in)
    # Only for people: what it is called. Into a folder the last part of the URL is each file's own name.
    name = "" if opens.path.endswith("/") else PurePosixPath(opens.path).name or "workspace"
    url = visits.public_url(request, f"/file/{sealed}/{quote(name, safe='')}{'.tar' if opens.folder else ''}")
    return as_json(wire.FileLink(url=url, method=body.method, path=opens.path, expires_in=body.expires_in))


@router.get("/file/{sealed}/{name:path}", include_in_schema=False)
async def follow_link(sealed: str, name: str, request: Request) -> Response:
    """Download what a link opens, or show the page that uploads; `name` is what the browser calls it."""
    try:
        opens = _opened(request, sealed)
        await _kind(request, opens)
    except SandboxError:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return pages.page(request, "closed.html", status=404)
    if opens.method == "PUT":
        return pages.page(request, "upload.html")
    at = "/files/archive" if opens.folder else "/files/content"
    ask = Ask("GET", at, {"path": opens.path}, headers=known(request, ASKED), generation=opens.generation)
    return Download(pool_of(request), opens.sandbox_id, ask, quote(PurePosixPath(name).name, safe="") or "file")


@router.put("/file/{sealed}/{name:path}", include_in_schema=False, max_body_size=sys.maxsize)
@router.post("/file/{sealed}/{name:path}", include_in_schema=False, max_body_size=sys.maxsize)
async def upload_by_link(sealed: str, name: str, request: Request) -> Response:
    """Write the body to the file that a link opens, or, under the last name of the URL, into its folder."""
    opens = _opened(request, sealed)
    if opens.method != "PUT":
        raise InvalidRequest("this link downloads; for uploads ask for one with the method PUT")
    if request.headers.get("content-type", "").startswith(FORMS):
        raise InvalidRequest("send the file itself as the body, as `curl -T file URL` does, and no form")
    path = opens.path
    if path.endswith("/"):
        own = name.rpartition("/")[2]
        if own in ("", ".", ".."):
            raise InvalidRequest("this link uploads into a folder: put the file's name at the end of the URL")
        path += own
    ask = Ask("PUT", "/files/content", {"path": path}, upload(request), known(request, SENT), None, opens.generation)
    return await relay(request, opens.sandbox_id, ask)


def _opened(request: Request, sealed: str) -> Opens:
    statement: dict[str, Any] | None = visits.access_of(request).seals.open(PURPOSE, sealed)
    try:
        if statement is not None:
            return Opens.model_validate(statement)
    except ValidationError:  # made by another version of the manager
        pass
    raise NotAuthorized(CLOSED)


async def _kind(request: Request, opens: Opens) -> str | None:
    """Return what is at the link's path; None if nothing is, which uploads may change."""
    ask = Ask("GET", "/files/entry", {"path": opens.path}, timeout=QUICK, generation=opens.generation)
    try:
        async with answer(pool_of(request), opens.sandbox_id, ask) as response:
            return str((await response.json())["type"])
    except FileNotFound:
        if opens.method == "GET":
            raise
        return None
