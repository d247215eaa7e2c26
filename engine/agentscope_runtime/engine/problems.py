"""How errors of the engine, of the sandboxes that its agents use, and of requests look over HTTP.

Messages of sandbox errors are written for who runs the application: they name addresses, settings and commands. Its
clients get the code and what that means; the log has the rest.

What is wrong with a request is told in FastAPI's form, but no more of it than somebody reads: a body of a megabyte can
have half a million errors, and hold things that no JSON can repeat.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.engine.errors import PROBLEM_MEDIA_TYPE, EngineError, NotAuthorized
from agentscope_runtime.engine.serialization import to_json, to_jsonable
from agentscope_runtime.engine.told import sentence
from agentscope_runtime.sandbox.errors import NotAuthorized as RefusedByManager
from agentscope_runtime.sandbox.errors import SandboxError

logger = logging.getLogger(__name__)

MOST_ERRORS = 10
"""Errors of a request that are told; who has mended these asks again."""

MOST_VALUES = 100
"""Values that are told of one error: texts, numbers, lists and objects, wherever in it they stand."""

MOST_CHARACTERS = 500
"""Characters that are told of one text."""


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


async def answer_invalid(_request: Request, error: Exception) -> Response:
    """Answer a request that is not as it must be: 422, with the first few things that are wrong."""
    assert isinstance(error, RequestValidationError)
    detail = [_excerpt(wrong, iter(range(MOST_VALUES))) for wrong in islice(error.errors(), MOST_ERRORS)]
    return Response(to_json({"detail": detail}), 422, media_type="application/json")


def _excerpt(value: Any, room: Iterator[int]) -> Any:
    """Return as much of a value as there is room for; `…` stands for the rest."""
    if isinstance(value, str):
        return value if len(value) <= MOST_CHARACTERS else value[:MOST_CHARACTERS] + "…"
    if isinstance(value, bytes):  # a body that is not said to be JSON
        return _excerpt(value[: MOST_CHARACTERS + 1].decode("utf-8", "replace"), room)
    if isinstance(value, Mapping):
        pairs = zip(value.items(), room, strict=False)
        some = {_excerpt(str(name), room): _excerpt(item, room) for (name, item), _ in pairs}
        return some if len(some) == len(value) else some | {"…": "…"}
    if isinstance(value, list | tuple):
        told = [_excerpt(item, room) for item, _ in zip(value, room, strict=False)]
        return told if len(told) == len(value) else [*told, "…"]
    plain = to_jsonable(value)
    return _excerpt(plain, room) if isinstance(plain, str | list | dict) else plain


ANSWERS: dict[Any, Callable[[Request, Any], Any]] = {
    EngineError: answer,
    SandboxError: answer_sandbox,
    RequestValidationError: answer_invalid,
}
"""What answers when a route raises an error, by its class."""
