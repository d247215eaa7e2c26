"""How errors of the engine, and of the sandboxes that its agents use, look over HTTP.

Messages of sandbox errors are written for who runs the application: they name addresses, settings and commands. Its
clients get the code and what that means; the log has the rest.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.engine.errors import PROBLEM_MEDIA_TYPE, EngineError, NotAuthorized
from agentscope_runtime.engine.told import sentence
from agentscope_runtime.sandbox.errors import NotAuthorized as RefusedByManager
from agentscope_runtime.sandbox.errors import SandboxError

logger = logging.getLogger(__name__)


def problem(error: EngineError) -> Response:
    """Return the answer that tells an error."""
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotAuthorized) else None
    return Response(json.dumps(error.to_problem()), error.status, headers, PROBLEM_MEDIA_TYPE)


async def answer(request: Request, error: Exception) -> Response:
    """Answer a call that ended in an error of the engine; one that is no fault of the caller is logged."""
    assert isinstance(error, EngineError)
    if error.status >= 500:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(error)


async def answer_sandbox(request: Request, error: Exception) -> Response:
    """Answer a call that ended in an error of a sandbox, and log it, for the caller is not told all of it."""
    assert isinstance(error, SandboxError)
    # The manager's 401 is about this application's key; the caller would take it for one about its own.
    status = 502 if isinstance(error, RefusedByManager) else error.status
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    document = {"title": error.title, "status": status, "detail": sentence(error), "code": error.code}
    retry_after = error.extras.get("retry_after")
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return Response(json.dumps(document), status, headers, PROBLEM_MEDIA_TYPE)


ANSWERS: dict[Any, Callable[[Request, Any], Any]] = {EngineError: answer, SandboxError: answer_sandbox}
"""What answers when a route raises an error, by its class."""
