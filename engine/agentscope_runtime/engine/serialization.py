"""Any value as JSON, as deep as it goes: for what custom endpoints return and stream.

FastAPI's own encoder gives `{}` for an object that knows how to describe itself (`to_dict`), and fails at what it does
not know. Here everything becomes something:

    model, dataclass          an object of its fields
    to_map(), to_dict()       what they return
    mapping, list, set, …     an object, an array
    date, UUID, path, …       a string, as pydantic writes it; bytes in base64; NaN and infinity as null
    half a character          U+FFFD, for no encoding of text can say it
    anything else             str() of it
    too deep, or in a circle  a string that says so
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
from collections import deque
from collections.abc import ItemsView, KeysView, Mapping, Set, ValuesView
from enum import Enum
from types import GeneratorType
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

MOST_LEVELS = 20
"""Levels of a value that are written; far beyond what anybody reads, and well within the stack."""

_LARGEST = 10**4000
"""Whole numbers beyond this are not written: Python itself reads none of more than 4300 digits."""

_LINE_ENDS = "\u0085\u2028\u2029"
_ARRAYS = (list, tuple, Set, deque, range, KeysView, ValuesView, ItemsView, GeneratorType)
_HALVES = re.compile("[\ud800-\udfff]")
_SELF_DESCRIPTIONS = ("to_map", "to_dict")


def to_jsonable(value: Any) -> Any:
    """Return a value that `json.dumps` takes, whatever this one is."""
    return _plain(value, ())


def to_json(value: Any) -> str:
    """Return a value as JSON on one line, in the characters that it was written in."""
    text = json.dumps(_plain(value, ()), ensure_ascii=False)
    return text if text.isascii() else on_one_line(text.encode()).decode()


def on_one_line(written: bytes) -> bytes:
    """Return JSON with line ends escaped that only some readers take for such; Python's `splitlines` does."""
    for character in _LINE_ENDS:
        written = written.replace(character.encode(), b"\\u%04x" % ord(character))
    return written


def to_text(text: str) -> str:
    """Return text that can be encoded: each half of a character (a lone surrogate) becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _HALVES.sub("\ufffd", text)
    return text


def _plain(value: Any, within: tuple[int, ...]) -> Any:
    """Return the value as JSON types.

    Args:
        value: What to write.
        within: The ids of what it stands in, from the outside.
    """
    if type(value) is str:
        return to_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, within)
    if isinstance(value, str | int | float):
        return _scalar(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    return _opened(value, within)


def _scalar(value: Any) -> str | float | None:
    """Return text and numbers as plain ones, whichever class they are of, so far as JSON can say them."""
    if isinstance(value, str):
        return to_text(str.__str__(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return int(value) if -_LARGEST < value < _LARGEST else f"<int: of {value.bit_length()} bits>"


def _opened(value: Any, within: tuple[int, ...]) -> Any:
    """Return what may have something in it, unless that would go too deep."""
    if id(value) in within:
        return f"<{type(value).__name__}: contains itself>"
    if len(within) >= MOST_LEVELS:
        return f"<{type(value).__name__}: deeper than {MOST_LEVELS} levels>"
    within = (*within, id(value))
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, within) for key, item in value.items()}
    if isinstance(value, _ARRAYS):
        return [_plain(item, within) for item in value]
    if isinstance(value, type):
        return to_text(str(value))
    return _described(value, within)


def _described(value: Any, within: tuple[int, ...]) -> Any:
    """Return what an object says of itself; `within` ends with the object."""
    if isinstance(value, BaseModel):
        return _plain(_dumped(value, within), within)
    if dataclasses.is_dataclass(value):
        return {_key(field.name): _plain(getattr(value, field.name), within) for field in dataclasses.fields(value)}
    for name in _SELF_DESCRIPTIONS:
        if callable(describe := getattr(value, name, None)):
            return _plain(describe(), within)
    return _plain(to_jsonable_python(value, fallback=str), within)


def _dumped(model: BaseModel, within: tuple[int, ...]) -> dict[str, Any]:
    try:
        return model.model_dump(mode="json", fallback=lambda unknown: _plain(unknown, within))
    except ValueError:  # pydantic takes bytes for text, and refuses a circle
        return dict(model)


def _key(key: Any) -> str:
    """Return the name that a key has in JSON, where names are strings."""
    if type(key) is str:
        return to_text(key)
    plain = to_jsonable(key)
    return plain if isinstance(plain, str) else json.dumps(plain)
