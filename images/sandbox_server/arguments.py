"""Checks the arguments of a tool against its JSON schema, and names the one that is wrong.

The part of JSON schema that our tools use: `type` (one or several), `enum`, `minimum`, `maximum`, `pattern`, `items`,
and for objects `properties`, `required`, `propertyNames` and `additionalProperties`. A schema with more than that is a
bug, and raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MEMBERS = {"properties", "required", "propertyNames", "additionalProperties"}
KNOWN = {"type", "enum", "minimum", "maximum", "pattern", "items", "description", "default", "title", *MEMBERS}
CHECKED = {"type", "description", "title", *MEMBERS}
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
ARTICLES = {"integer": "an integer", "array": "an array", "object": "an object", "null": "null"}


class InvalidArgument(Exception):
    """An argument does not fit the tool; the message names it."""


def check(schema: Mapping[str, Any], arguments: Any) -> dict[str, Any]:
    """Return the arguments if they fit.

    Raises:
        InvalidArgument: one of them does not, is missing, or is unknown.
    """
    _only(schema, CHECKED)
    if not isinstance(arguments, dict):
        raise InvalidArgument("arguments must be an object")
    _check_members(schema, arguments, "argument")
    return arguments


def _check_members(schema: Mapping[str, Any], value: dict[str, Any], what: str) -> None:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            raise InvalidArgument(f"{what} {name!r} is missing")
    for name, member in value.items():
        _check_value({"type": "string", **schema.get("propertyNames", {})}, name, f"the name of {what} {name!r}")
        if name in properties:
            _check_value(properties[name], member, f"{what} {name!r}")
        elif isinstance(others, Mapping):
            _check_value(others, member, f"{what} {name!r}")
        elif not others:
            known = ", ".join(repr(known) for known in properties) or "none"
            raise InvalidArgument(f"{what} {name!r} is unknown; there are: {known}")


def _check_value(schema: Mapping[str, Any], value: Any, where: str) -> None:
    _only(schema, KNOWN)
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not any(_is(value, name) for name in names):
            wanted = " or ".join(ARTICLES.get(name, f"a {name}") for name in names)
            raise InvalidArgument(f"{where} must be {wanted}, not {_kind(value)}")
    if "enum" in schema and value not in schema["enum"]:
        raise InvalidArgument(f"{where} must be one of {', '.join(map(repr, schema['enum']))}")
    if isinstance(value, str) and "pattern" in schema and not _matches(schema["pattern"], value):
        raise InvalidArgument(f"{where} must fit the pattern {schema['pattern']}, {value[:80]!r} does not")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_range(schema, value, where)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            _check_value(schema["items"], item, f"{where}, item {index},")
    elif isinstance(value, dict) and MEMBERS & set(schema):
        _check_members(schema, value, f"{where} member")
    elif not _is_unicode(value):
        raise InvalidArgument(f"{where} is not Unicode text: there is half of a surrogate pair in it")


def _check_range(schema: Mapping[str, Any], value: float, where: str) -> None:
    if value < schema.get("minimum", value):
        raise InvalidArgument(f"{where} must be {schema['minimum']} or more, not {value}")
    if value > schema.get("maximum", value):
        raise InvalidArgument(f"{where} must be {schema['maximum']} or less, not {value}")


def _matches(pattern: str, value: str) -> bool:
    """Search as JSON schema does, where `$` is the very end; Python's is before a last line end, too."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), value) is not None


def _is_unicode(value: Any) -> bool:
    """Return whether all text in it can be encoded; JSON can spell halves of surrogate pairs, which cannot."""
    try:
        (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def _kind(value: Any) -> str:
    # `_is` takes 1.0 for an integer, too: the narrower name comes first in TYPES.
    name = next((name for name in ("boolean", *TYPES) if _is(value, name)), type(value).__name__)
    return ARTICLES.get(name, f"a {name}")


def _only(schema: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(schema) - known:
        raise NotImplementedError(f"JSON schema members that are not checked: {', '.join(sorted(unknown))}")
