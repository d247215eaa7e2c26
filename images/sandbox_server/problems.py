"""What the box answers when a request cannot be served: problem documents with the codes that the client knows.

Failures inside a tool are no problems: they are results with `isError`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
SOCKET_HEADER = "X-Problem"
"""The problem document, when a WebSocket is refused: WebSocket clients read the headers of a refusal, and no body."""
SOCKET_HEADER_MAX = 4096
"""Bytes; a longer document is no header any more, and then the status has to do."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):
    """A request that cannot be served; the detail names the thing and the cure."""

    def __init__(self, status: int, code: str, title: str, detail: str) -> None:
        """Describe it; `code` is one of the stable codes of the client's errors."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title

    def response(self) -> web.Response:
        """Return the problem document."""
        return problem_response(self.status, self.code, self.title, str(self))


def invalid_request(detail: str) -> Problem:
    """The call itself is wrong."""
    return Problem(422, "invalid_request", "Invalid request", detail)


def not_authorized(detail: str) -> Problem:
    """The token is missing or wrong."""
    return Problem(401, "not_authorized", "Not authorized", detail)


def stale_generation(detail: str) -> Problem:
    """A newer lease holds this box."""
    return Problem(409, "stale_generation", "Stale lease", detail)


def unknown_tool(detail: str) -> Problem:
    """This box has no such tool."""
    return Problem(404, "unknown_tool", "Unknown tool", detail)


def not_found(detail: str) -> Problem:
    """The thing that the path names does not exist."""
    return Problem(404, "not_found", "Not found", detail)


def file_not_found(detail: str) -> Problem:
    """Nothing is at that path of the workspace."""
    return Problem(404, "file_not_found", "File not found", detail)


def file_error(detail: str) -> Problem:
    """The file operation cannot be done as asked."""
    return Problem(409, "file_error", "File error", detail)


def command_not_found(detail: str) -> Problem:
    """This box has no such command or terminal, or has forgotten it."""
    return Problem(404, "command_not_found", "Command not found", detail)


def unavailable(detail: str) -> Problem:
    """Nothing is wrong with the request; later it may work."""
    return Problem(503, "unavailable", "Unavailable", detail)


def start_failed(detail: str) -> Problem:
    """The box is not ready, or never will be."""
    return Problem(503, "start_failed", "Sandbox failed to start", detail)


def problem_response(status: int, code: str, title: str, detail: str) -> web.Response:
    """Make a problem document (RFC 9457)."""
    body = json.dumps({"title": title, "status": status, "detail": detail, "code": code}).encode()
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return web.Response(status=status, body=body, content_type=MEDIA_TYPE, headers=headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem document."""
    try:
        return await handler(request)
    except Problem as problem:
        response = problem.response()
    except web.HTTPException as e:
        code = "not_found" if e.status == 404 else "invalid_request"
        detail = f"{request.method} {request.path}: {e.reason}"
        response = problem_response(e.status, code, e.reason, detail)
    except Exception as e:
        # The outermost place: a bug in one handler must not end the connection without a word. But where the caller has
        # left, or the answer was torn on purpose, there is nobody to tell.
        if not (isinstance(e, ConnectionError) and (request.transport is None or request.transport.is_closing())):
            log.exception("%s %s failed", request.method, request.path)
        response = problem_response(500, "internal_error", "Internal error", "a bug in the box; its log has the trace")
    if request.headers.get("Upgrade", "").lower() == "websocket" and isinstance(response.body, bytes):
        response.headers[SOCKET_HEADER] = response.body[:SOCKET_HEADER_MAX].decode()  # ASCII, since json escapes
    return response
