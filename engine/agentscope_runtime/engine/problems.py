"""How the engine's errors look over HTTP."""

from __future__ import annotations

import json
import logging

from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.engine.errors import PROBLEM_MEDIA_TYPE, EngineError, NotAuthorized

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
