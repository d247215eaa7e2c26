"""Every failure leaves the manager in one form: a problem document (RFC 9457) of the family in `sandbox.errors`.

Not here: what goes wrong and why; the pool, the box and the routes raise that.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agentscope_runtime.sandbox.errors import (
    PROBLEM_MEDIA_TYPE,
    InternalError,
    InvalidRequest,
    NotAuthorized,
    NotFound,
    SandboxError,
)

logger = logging.getLogger(__name__)

PROBLEM = "agentscope_runtime.problem"
"""Where the code of a problem stands in the scope of the call that it answers, for those who count."""


class Problem(Response):
    """A problem document."""

    media_type = PROBLEM_MEDIA_TYPE

    def __init__(self, document: dict[str, Any], headers: dict[str, str]) -> None:
        """Tell of this, in the document's own status."""
        super().__init__(json.dumps(document), document["status"], headers)
        self._code = document["code"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        scope[PROBLEM] = self._code
        await super().__call__(scope, receive, send)


def problem(error: SandboxError, status: int | None = None) -> Response:
    """Return the HTTP answer that tells of an error.

    Args:
        error: What went wrong.
        status: The HTTP status where it is not the one of the error's class.
    """
    document = error.to_problem()
    if status is not None:
        document["status"] = status
    headers = {}
    if (seconds := error.extras.get("retry_after")) is not None:
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    if isinstance(error, NotAuthorized) and document["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(document, headers)


def install(app: FastAPI) -> None:
    """Make all errors of this application problem documents."""
    app.add_exception_handler(SandboxError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, SandboxError)
    return problem(error)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(InvalidRequest(explain(error.errors())))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.url.path}"
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return problem(NotFound(f"there is no {where}; GET /openapi.json lists what there is"))
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow", "another method")
            return problem(InvalidRequest(f"{where} does not exist; this path takes {allowed}"), error.status_code)
        case HTTPStatus.BAD_REQUEST:  # a body that no JSON reader takes; what is wrong with bodies is 422 here
            return problem(InvalidRequest(f"{where}: {error.detail}"))
        case status:
            return problem(InvalidRequest(f"{where}: {error.detail}"), status)


async def _unexpected(request: Request, _: Exception) -> Response:
    # The server logs the trace: it gets the exception again after this answer. The caller gets none of it.
    where = f"{request.method} {request.url.path}"
    logger.error("unexpected error in %s; the trace follows", where)
    return problem(InternalError(f"a bug in the manager ended {where}; its log has the trace"))


def explain(errors: Sequence[Any]) -> str:
    """Put what pydantic found into one sentence."""
    parts = []
    for item in errors:
        where = ".".join(str(part) for part in item["loc"] if part not in ("body", "query", "path"))
        words = "there is no such member" if item["type"] == "extra_forbidden" else str(item["msg"])
        parts.append(f"{where}: {words}" if where else words)
    return "; ".join(parts)
