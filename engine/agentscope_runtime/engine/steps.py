"""What an adapter says happened: the vocabulary between frameworks' outputs and the events that clients see.

A key names a message within one response; adapters choose it (a framework's id of the message, the index of a block).
Nothing that is said in these words is an error: a step about a key that was closed opens a new message under it, empty
text is no event, and what is open at the end is closed by `events.EventWriter`. Messages may be interleaved.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from agentscope_runtime.engine.schemas.content import Content
from agentscope_runtime.engine.schemas.kinds import MessageType, Role

Key = Hashable


@dataclass(frozen=True, slots=True)
class Open:
    """A message begins. Optional: the first other step about a key opens it as a `message` of the assistant."""

    message: Key
    type: str = MessageType.MESSAGE
    role: str = Role.ASSISTANT
    metadata: dict[str, Any] | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """The text of one part grows by this."""

    message: Key
    text: str
    part: Key = 0


@dataclass(frozen=True, slots=True)
class Data:
    """What a data part is so far: a snapshot, which the next one replaces."""

    message: Key
    data: dict[str, Any]
    part: Key = 0


@dataclass(frozen=True, slots=True)
class Whole:
    """A part that is there at once, its own fields filled, without ids and numbers."""

    message: Key
    content: Content


@dataclass(frozen=True, slots=True)
class Close:
    """A message is complete."""

    message: Key
    usage: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """The tokens that the whole response cost so far; the latest counts."""

    usage: dict[str, Any]


Step = Open | Text | Data | Whole | Close | Used
