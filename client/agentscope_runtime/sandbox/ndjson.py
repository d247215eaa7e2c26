"""Lines of JSON, as they arrive in pieces of any size. No I/O happens here."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Lines(ABC, Generic[T]):
    """Reads the lines of one stream, and makes of them what the stream is about."""

    def __init__(self) -> None:
        """Begin before the first line."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[T]:
        """Take bytes as they arrived; yield what is whole. Empty lines only say that the connection lives.

        Raises:
            ValueError, KeyError, TypeError: this is no such stream.
        """
        self._buffer += data
        if b"\n" not in data:
            return
        lines = self._buffer.split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            if line and (item := self._read(json.loads(line))) is not None:
                yield item

    @abstractmethod
    def _read(self, line: dict[str, Any]) -> T | None:
        """Make something of one line; None where it is about the stream itself."""
