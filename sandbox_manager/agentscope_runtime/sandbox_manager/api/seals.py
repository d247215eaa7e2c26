"""Statements that only this manager can make: for links that live long, and that nobody has to remember.

They are readable for whoever holds the link, and end by themselves. Not here: short-lived secrets, which are
remembered and can be used up (`grants`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

LONGEST = 8192
"""Characters of a seal that is looked at; a path of 4096 bytes fits."""


class Seals:
    """Makes and checks them."""

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        """Seal with this key, by a clock of seconds that goes on when the manager ends."""
        self._key = key.encode("utf-8", "surrogateescape")
        self._clock = clock

    def seal(self, purpose: str, statement: dict[str, Any], seconds: float) -> str:
        """Return a text, fit for a URL, that holds the statement for so many seconds."""
        body = json.dumps({**statement, "until": int(self._clock() + seconds)}, separators=(",", ":")).encode()
        return f"{_text(body)}.{_text(self._mac(purpose, body))}"

    def open(self, purpose: str, sealed: str) -> dict[str, Any] | None:
        """Return what was stated; None if we never said it for this purpose, or it is too old."""
        head, _, tail = sealed.partition(".")
        if len(sealed) > LONGEST or not sealed.isascii():
            return None
        try:
            body, mac = _data(head), _data(tail)
        except binascii.Error:
            return None
        if not hmac.compare_digest(mac, self._mac(purpose, body)):
            return None
        statement: dict[str, Any] = json.loads(body)
        return statement if statement.pop("until") > self._clock() else None

    def _mac(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._key, f"{purpose}\0".encode() + body, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _data(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
