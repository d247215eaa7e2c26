"""The OpenAPI document, completed by what holds for every call: the key, and how failures look.

FastAPI knows neither: the guard asks for the key, and the handlers of `problems` answer failures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from agentscope_runtime.sandbox.errors import PROBLEM_MEDIA_TYPE, SandboxError

EVERYWHERE = frozenset({401, 403, 413, 422, 500, 503})
"""What any call may end with; one that goes to a sandbox, with whatever else the family of errors has."""
REACHING = ("/v1/leases", "/v1/snapshots")
"""How paths of calls begin that may go to a sandbox although they do not name it."""
TOO_LARGE = "or the body is larger than this call takes"
PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457); some have further members.",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What failed, with names and numbers, and what to do"},
        "code": {"type": "string", "description": "The kind of failure, the same in all versions"},
    },
    "required": ["title", "status", "detail", "code"],
}


def describe(app: FastAPI) -> None:
    """Complete the document of this application."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        components = document.setdefault("components", {})
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schemas = components.setdefault("schemas", {})
        schemas["Problem"] = PROBLEM
        for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which no call answers
            schemas.pop(unused, None)
        document["security"] = [{"key": []}]
        for path, operations in document["paths"].items():
            if path.startswith("/v1/"):
                _add_failures(operations, everything="{sandbox_id}" in path or path.startswith(REACHING))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _add_failures(operations: dict[str, Any], *, everything: bool) -> None:
    schema = {"$ref": "#/components/schemas/Problem"}
    for operation in operations.values():
        answers = operation["responses"]
        answers.pop("422", None)
        for status, codes in sorted(_codes().items()):
            if everything or status in EVERYWHERE:
                told = {"description": codes, "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}}
                answers.setdefault(str(status), told)


def _codes() -> dict[int, str]:
    """Return the codes of the family by status, as a text."""
    codes: dict[int, list[str]] = defaultdict(list)
    for cls in _family(SandboxError):
        codes[cls.status].append(f"`{cls.code}`")
    codes[413].append(TOO_LARGE)
    return {status: ", ".join(sorted(set(names))) for status, names in codes.items()}


def _family(cls: type[SandboxError]) -> Iterator[type[SandboxError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _family(child)
