"""What a watch tells: changes of files, read from lines of JSON. No I/O happens here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from agentscope_runtime.sandbox.ndjson import Lines
from agentscope_runtime.sandbox.types import Entry

Event = Literal["created", "modified", "deleted", "moved", "overflow"]


@dataclass(frozen=True, slots=True)
class FileChange:
    """One change in a watched folder."""

    event: Event
    """What happened; `overflow`: more than could be told, so look at the folder anew."""
    path: str
    """Where, absolute inside the sandbox; where it is now, if it was moved. Empty for an overflow."""
    entry: Entry | None = None
    """What is there; None where nothing is any more."""
    moved_from: str | None = None
    """Where it was before, if it was moved within what is watched."""


class ChangeLines(Lines[FileChange]):
    """Reads the lines of a watch."""

    def __init__(self) -> None:
        """Begin before the first line."""
        super().__init__()
        self.ready = False
        """Whether the watch has begun."""

    def _read(self, line: dict[str, Any]) -> FileChange | None:
        event = line["event"]
        self.ready = self.ready or event == "ready"
        if event not in get_args(Event):
            return None  # of a newer sandbox
        return FileChange(event, line.get("path", ""), line.get("entry"), line.get("from"))
