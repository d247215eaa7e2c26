"""What one call to the manager is, and how calls are made: paths, bodies, and reading answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InvalidRequest

T = TypeVar("T")
W = TypeVar("W", bound=wire.Wire)

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call: pure data, and a function that makes sense of a good answer."""

    what: str
    """What is being done, for messages: `run tool 'x' in sbx-…`."""
    method: str
    path: str
    """Below the manager's base URL, with the query, quoted."""
    read: Callable[[bytes], T]
    body: bytes | None = None
    content_type: str | None = None
    timeout: float | None = None
    """Seconds that the answer may take; the client's default where None."""
    allowance: float = 0.0
    """Seconds on top of that."""
    idempotent: bool = True
    """Whether the call may be sent again when the connection broke and nobody knows whether it arrived."""
    key: str | None = None
    """By which a sandbox knows the call when it is sent again, so that it is made once."""


def json_call(what: str, method: str, path: str, body: dict[str, Any], answer: type[W]) -> Call[W]:
    """Make a call whose body and answer are JSON."""
    return Call(what, method, path, answer.model_validate_json, dump(body), JSON)


def at(sandbox_id: str, *rest: str) -> str:
    """Return the path of a sandbox, or of something below it."""
    return "/".join(("/v1/sandboxes", *(quoted(part) for part in (sandbox_id, *rest))))


def quoted(text: str, safe: str = "") -> str:
    """Quote one part of a path."""
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{text!r} cannot be sent: it is not Unicode text") from error


def dump(body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON."""
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"the arguments are not JSON: {error}") from error


def check_seconds(name: str, seconds: float, most: float, *, least: float | None = None) -> None:
    """Refuse what is no number of seconds, too many, or too few: fewer than `least`, or none at all.

    Raises:
        InvalidRequest: The message names the argument, and says what it can be.
    """
    enough = isinstance(seconds, int | float) and (seconds > 0 if least is None else seconds >= least)
    if not enough or seconds > most:
        lowest = "above 0" if least is None else f"from {least:g}"
        raise InvalidRequest(f"{name} is {seconds!r}; it can be seconds {lowest} up to {most:g}")


def nothing(_: bytes) -> None:
    """Read an answer that says nothing but that it is done."""
    return None


def read_object(body: bytes) -> dict[str, Any]:
    """Read an answer that is a JSON object."""
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    return value


def flag(member: str) -> Callable[[bytes], bool]:
    """Return what reads one yes or no of an answer."""
    return lambda body: bool(read_object(body)[member])


def invalid(error: ValidationError) -> InvalidRequest:
    """Make our error of pydantic's."""
    parts = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False))
    return InvalidRequest("; ".join(parts))
