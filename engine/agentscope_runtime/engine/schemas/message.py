"""A message: who says what, in which parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast
from uuid import uuid4

from pydantic import Field, field_validator

from agentscope_runtime.engine.schemas.content import (
    AgentContent,
    AudioContent,
    Content,
    DataContent,
    ImageContent,
    TextContent,
)
from agentscope_runtime.engine.schemas.event import Event
from agentscope_runtime.engine.schemas.kinds import MessageType, RunStatus
from agentscope_runtime.engine.schemas.limits import limited
from agentscope_runtime.engine.schemas.openai_format import message_fields

MOST_PARTS = 10_000
"""Parts of one message: far more than anybody sends, and each is an object of its own."""


def new_message_id() -> str:
    """Make up an id that no other message has."""
    return f"msg_{uuid4()}"


class Message(Event):
    """What a user, an agent or a tool says. Plain text is taken as content of one text part."""

    object: str = "message"
    status: str | None = RunStatus.Created
    id: str = Field(default_factory=new_message_id)
    type: str = MessageType.MESSAGE
    role: str | None = None
    content: Annotated[list[AgentContent], limited(MOST_PARTS)] | None = None
    code: str | None = None
    message: str | None = None
    usage: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    text: str | None = None
    """All text of a completed message, for readers that do not look into the parts."""

    @field_validator("content", mode="before")
    @classmethod
    def _accept_plain_text(cls, content: Any) -> Any:
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    @staticmethod
    def from_openai_message(message: Mapping[str, Any]) -> Message:
        """Make a message of one in the form of OpenAI's chat completions."""
        return Message.model_validate(message_fields(message))

    def get_text_content(self) -> str | None:
        """Return all text in it, or None when there is no text part."""
        texts = [part.text or "" for part in self.content or () if isinstance(part, TextContent)]
        return "".join(texts) if texts else None

    def get_image_content(self) -> list[str]:
        """Return the address of each picture in it."""
        return [part.image_url for part in self.content or () if isinstance(part, ImageContent) and part.image_url]

    def get_audio_content(self) -> list[str]:
        """Return the data of each sound in it."""
        return [part.data for part in self.content or () if isinstance(part, AudioContent) and part.data]

    def add_delta_content(self, new_content: Content) -> Content:
        """Add to the part that `new_content.index` names, or begin one without an index, and return the event of it."""
        parts = self._parts()
        if new_content.index is None:
            index = len(parts)
            parts.append(new_content.model_copy(update={"index": index, "msg_id": self.id}))
        else:
            index = new_content.index
            _extend(parts[index], new_content)
        update = {"index": index, "msg_id": self.id, "delta": True, "status": RunStatus.InProgress}
        return new_content.model_copy(update=update)

    def content_completed(self, index: int) -> Content:
        """Complete a part, and return the event of it."""
        part = self._parts()[index].completed()
        part.delta = None
        return part.model_copy(update={"msg_id": self.id, "index": index})

    def add_content(self, new_content: Content) -> Content:
        """Add a part that is whole, and return the event of it."""
        self._parts().append(new_content.model_copy())
        return self.content_completed(len(self._parts()) - 1)

    def _parts(self) -> list[Content]:
        if self.content is None:
            self.content = []
        return cast(list[Content], self.content)


def _extend(part: Content, more: Content) -> None:
    """Let a part grow by another: text by text, data by keys, and whatever else is given replaces what was there."""
    if isinstance(part, TextContent) and isinstance(more, TextContent):
        part.text = (part.text or "") + (more.text or "")
    elif isinstance(part, DataContent) and isinstance(more, DataContent):
        part.data = _grown(part.data or {}, more.data or {})
    else:
        own = more.model_fields_set - set(Content.model_fields)
        for name in own:
            setattr(part, name, getattr(more, name))


def _grown(data: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return data in which the arguments of a call have grown, and everything else is the newest."""
    grown = data | more
    if isinstance(data.get("arguments"), str) and isinstance(more.get("arguments"), str):
        grown["arguments"] = data["arguments"] + more["arguments"]
    return grown
