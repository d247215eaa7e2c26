"""A message while it is open: its parts grow, and at the end all of them are told once more, whole."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Any, Protocol

from agentscope_runtime.engine.schemas.content import Content, DataContent, TextContent
from agentscope_runtime.engine.schemas.event import Event
from agentscope_runtime.engine.schemas.kinds import RunStatus
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.steps import Data, Key, Open, Text, Whole


class Draft:
    """One open message. The events that it returns have no numbers yet."""

    def __init__(self, opening: Open, id: str) -> None:
        self._message = Message(
            id=id,
            type=opening.type,
            role=opening.role,
            metadata=opening.metadata and dict(opening.metadata),
            status=RunStatus.InProgress,
        )
        self._texts: dict[Key, _TextPart] = {}
        self._data: dict[Key, _DataPart] = {}
        self._parts: list[_Part] = []  # all of them; the place in the list is the index

    def is_kind_of(self, opening: Open) -> bool:
        """Say whether it is what this step would open."""
        return (self._message.type, self._message.role) == (opening.type, opening.role)

    def describe(self, metadata: dict[str, Any] | None) -> None:
        """Replace the metadata, if there are new ones."""
        if metadata is not None:
            self._message.metadata = dict(metadata)

    def begun(self) -> Message:
        """Return the event that opens the message."""
        return self._message.model_copy()

    def take(self, step: Text | Data | Whole) -> list[Content]:
        """Let a part grow, or add a whole one."""
        if isinstance(step, Text):
            return self._take_text(step) if step.text else []
        if isinstance(step, Data):
            return self._take_data(step)
        part = _WholePart(step.content, self._message.id, len(self._parts))
        self._parts.append(part)
        return [part.ended(RunStatus.Completed)]

    def ended(self, status: str, usage: dict[str, Any] | None) -> tuple[list[Event], Message]:
        """Return the last event of each part that was growing, and the message with all its parts."""
        parts = [part.ended(status) for part in self._parts]
        told = [part.model_copy() for part, was in zip(parts, self._parts, strict=True) if was.grows]
        message = self._message.model_copy(
            update={"status": status, "content": parts, "usage": usage and dict(usage), "text": _text_of(parts)}
        )
        return list(told), message

    def _take_text(self, step: Text) -> list[Content]:
        if (part := self._texts.get(step.part)) is None:
            part = self._texts[step.part] = _TextPart(self._message.id, len(self._parts))
            self._parts.append(part)
        return [part.grown(step.text)]

    def _take_data(self, step: Data) -> list[Content]:
        if (part := self._data.get(step.part)) is None:
            part = self._data[step.part] = _DataPart(self._message.id, len(self._parts))
            self._parts.append(part)
        elif part.data == step.data:
            return []  # nothing new
        return [part.replaced(step.data)]


class _Part(Protocol):
    """A part of an open message."""

    grows: bool
    """Whether its end is still to be told."""

    def ended(self, status: str) -> Content:
        """Return all of it."""


class _TextPart:
    grows = True

    def __init__(self, msg_id: str, index: int) -> None:
        self._msg_id = msg_id
        self._index = index
        self._text = StringIO()  # grows in place, where strings would be copied for each of a million deltas

    def grown(self, text: str) -> TextContent:
        self._text.write(text)
        return TextContent(status=RunStatus.InProgress, index=self._index, delta=True, msg_id=self._msg_id, text=text)

    def ended(self, status: str) -> TextContent:
        return TextContent(status=status, index=self._index, msg_id=self._msg_id, text=self._text.getvalue())


class _DataPart:
    grows = True

    def __init__(self, msg_id: str, index: int) -> None:
        self._msg_id = msg_id
        self._index = index
        self.data: dict[str, Any] = {}

    def replaced(self, data: dict[str, Any]) -> DataContent:
        self.data = {str(name): value for name, value in data.items()}  # a copy: adapters may go on filling theirs
        return DataContent(
            status=RunStatus.InProgress, index=self._index, delta=False, msg_id=self._msg_id, data=self.data
        )

    def ended(self, status: str) -> DataContent:
        return DataContent(status=status, index=self._index, msg_id=self._msg_id, data=self.data)


class _WholePart:
    grows = False

    def __init__(self, content: Content, msg_id: str, index: int) -> None:
        self._content = content.model_copy(
            update={
                "sequence_number": None,
                "status": RunStatus.Completed,
                "index": index,
                "delta": None,
                "msg_id": msg_id,
            }
        )

    def ended(self, _status: str) -> Content:
        return self._content.model_copy()


def _text_of(parts: Sequence[Content]) -> str | None:
    texts = [part.text or "" for part in parts if isinstance(part, TextContent)]
    return "".join(texts) if texts else None
