"""Reading what people write into variables: lists, sizes by kind, memory, domains."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.registry import parse_size
from agentscope_runtime.sandbox_manager.machine import total_memory


def listed(value: object) -> object:
    """Read `a,b` or `["a", "b"]`."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is neither `a,b` nor a JSON list") from error
    return tuple(part.strip() for part in value.split(",") if part.strip())


def sized(value: object) -> object:
    """Read `2`, `base=2,browser=1` or `{"base": 2}`."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        if text.startswith("{"):
            return json.loads(text)
        if "=" not in text:
            return int(text)
        pairs = (part.partition("=") for part in text.split(",") if part.strip())
        return {name.strip(): int(size) for name, _, size in pairs}
    except ValueError as error:
        raise ValueError(f"{text!r} is neither a number nor `base=2,browser=1` nor a JSON object") from error


def bytes_of(value: object) -> object:
    """Read `8g`, or bytes."""
    try:
        return parse_size(value) if isinstance(value, str) else value
    except InvalidRequest as error:
        raise ValueError(error.detail) from error


def memory_of(value: object) -> object:
    """Read `8g`, bytes, or `80%` of what this machine has."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text.endswith("%"):
        try:
            return parse_size(text)
        except InvalidRequest as error:
            raise ValueError(f"{error.detail}, or a share of this machine's memory: '80%'") from error
    total = total_memory()
    if total is None:
        raise ValueError(f"{text!r}: this machine does not say how much memory it has; name it, as in 16g")
    try:
        share = float(text[:-1])
    except ValueError as error:
        raise ValueError(f"{text!r} is no percentage") from error
    if not 0 < share <= 100:
        raise ValueError(f"{text!r} is not above 0 and up to 100 %")
    return int(total * share / 100)


def split_domain(value: str) -> tuple[str | None, str, int | None]:
    """Split `[https://][*.]preview.example.org[:8443]` into scheme, domain and port.

    Raises:
        ValueError: It is none.
    """
    scheme, _, rest = value.rpartition("://")
    parts = urlsplit(f"//{rest.rstrip('/').removeprefix('*.')}")
    domain = (parts.hostname or "").lower()
    simple = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    if scheme not in ("", "http", "https") or not simple or not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", domain):
        raise ValueError(f"{value!r} is no domain, such as *.preview.example.org or https://*.preview.example.org:8443")
    return scheme or None, domain, parts.port
