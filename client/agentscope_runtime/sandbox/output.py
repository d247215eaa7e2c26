"""What commands write, as it arrives here: lines of JSON become chunks, and chunks a result of bounded size.

No I/O happens here; the connections are in `_async/commands.py` and its generated twin.
"""

from __future__ import annotations

import base64
import codecs
from dataclasses import dataclass
from typing import Any, Literal

from agentscope_runtime.sandbox.ndjson import Lines

Stream = Literal["stdout", "stderr"]

RESULT_LIMIT = 16 << 20
"""Bytes of each stream that a result holds; of more than that the middle is left out, and the result says so."""


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """Some of what a command wrote."""

    stream: Stream
    data: str
    """The text; characters that are not UTF-8 are replaced, those that arrive in two parts come with the second."""
    raw: bytes
    """The bytes themselves."""
    offset: int
    """How many bytes of both streams came before."""
    skipped: int = 0
    """How many bytes right before it the sandbox has not kept: the reader of a background command was too slow."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that has ended, and what it wrote."""

    exit_code: int
    """128 + n where signal n ended it, 124 where it ran out of time."""
    stdout: str
    stderr: str
    timed_out: bool = False
    """Whether it was killed, with all that it started, because it took longer than it was given."""


class OutputLines(Lines[OutputChunk]):
    """Reads the lines of an output."""

    def __init__(self) -> None:
        """Begin before the first line."""
        super().__init__()
        self.ending: dict[str, Any] | None = None
        """How the command ended, once that was said."""
        self.command: dict[str, Any] | None = None
        """What the first line says of the command."""
        self._skipped = 0
        self._decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in ("stdout", "stderr")}

    def _read(self, line: dict[str, Any]) -> OutputChunk | None:
        if "stream" in line:
            raw = base64.b64decode(line["binary"]) if "binary" in line else line["data"].encode()
            text = self._decoders[line["stream"]].decode(raw)
            skipped, self._skipped = self._skipped, 0
            return OutputChunk(line["stream"], text, raw, line["offset"], skipped)
        if "skipped" in line:
            self._skipped += line["skipped"]
        elif "command_id" in line:
            self.command = line
        elif "exit_code" in line:
            self.ending = line
        return None


class Collected:
    """The beginning and the end of what a stream brought."""

    def __init__(self, limit: int = RESULT_LIMIT) -> None:
        """Hold so many bytes at most."""
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes, skipped: int = 0) -> None:
        """Add what comes next, after so many bytes that nobody has."""
        room = 0 if self._left_out or self._tail or skipped else self._half - len(self._head)
        self._left_out += skipped
        self._head += data[:room]
        self._tail += data[room:]
        if (excess := len(self._tail) - self._half) > 0:
            self._left_out += excess
            del self._tail[:excess]

    def text(self) -> str:
        """Return it; where something is left out, it says how much."""
        if not self._left_out:
            return (self._head + self._tail).decode(errors="replace")
        head, tail = self._head.decode(errors="replace"), self._tail.decode(errors="replace")
        return f"{head}\n… [{self._left_out} bytes were left out here] …\n{tail}"
