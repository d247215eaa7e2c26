"""The manager's own pages: the status page, the viewer of a desktop, the list of calls; and signing in to them.

Static files out of the package, with headers that let a browser run nothing but them. What the pages show, they ask
`/v1` for, with the cookie that signing in gives.
"""

from __future__ import annotations

import hashlib
import mimetypes
from importlib import resources
from pathlib import PurePosixPath

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox.errors import NotAuthorized, NotFound
from agentscope_runtime.sandbox_manager.api.answers import no_content
from agentscope_runtime.sandbox_manager.api.auth import OPEN_BODY_LIMIT, check_origin, cookie_value
from agentscope_runtime.sandbox_manager.api.visits import access_of

router = APIRouter(include_in_schema=False)

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SignIn(BaseModel):
    """What the status page posts: the ticket of a sign-in link, or the key that a person typed."""

    ticket: str | None = None
    key: str | None = None


@router.get("/")
async def status_page(request: Request) -> Response:
    """Show pools and leases."""
    return page(request, "status.html")


@router.get("/docs")
async def calls_page(request: Request) -> Response:
    """List the calls of `/openapi.json`."""
    return page(request, "calls.html")


@router.get("/desktop/{sandbox_id}")
async def desktop_page(request: Request) -> Response:
    """Show a desktop; the page is the same for any id, so it tells nobody which ones there are."""
    return page(request, "desktop.html")


@router.get("/terminal/{sandbox_id}")
async def terminal_page(request: Request) -> Response:
    """Show a terminal; the page is the same for any id, as a desktop's is."""
    return page(request, "terminal.html")


@router.get("/pages/{name}")
async def asset(name: str, request: Request) -> Response:
    """Serve what the pages are made of."""
    return page(request, name)


@router.post("/session", max_body_size=OPEN_BODY_LIMIT)
async def sign_in(body: SignIn, request: Request) -> Response:
    """Exchange a sign-in ticket, or the key, for the status page's cookie."""
    check_origin(request)
    access = access_of(request)
    if body.ticket is None and (body.key is None or not access.is_key(body.key.strip())):
        raise NotAuthorized("That is not the key of this manager.")
    session = await access.sign_in(body.ticket)
    if session is None:
        raise NotAuthorized("This sign-in link was used before, or is too old. The key signs you in, too.")
    response = Response(status_code=204)
    response.set_cookie(
        access.cookie,
        session,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.delete("/session")
async def sign_out(request: Request) -> Response:
    """Forget this browser."""
    check_origin(request)
    access = access_of(request)
    if cookie := cookie_value(request.headers.get("cookie", ""), access.cookie):
        await access.sign_out(cookie)
    return no_content()


def page(request: Request, name: str, *, status: int = 200) -> Response:
    """Return a file of the package, or word that the browser has it already.

    Args:
        request: What asks for it.
        name: The file.
        status: The HTTP status, where the page tells of a failure.

    Raises:
        NotFound: There is no such file.
    """
    kind = mimetypes.guess_type(name)[0]
    file = resources.files("agentscope_runtime.sandbox_manager") / "pages" / name
    if PurePosixPath(name).name != name or kind is None or not file.is_file():
        raise NotFound(f"there is no page {name}")
    body = file.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**SECURITY, "ETag": etag, "Cache-Control": "no-cache"}
    if status == 200 and request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, kind)
