"""The parts of a message: one class for each kind of content.

The order of the fields is that of the JSON that clients see.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from agentscope_runtime.engine.schemas.event import Event
from agentscope_runtime.engine.schemas.kinds import ContentType


class Content(Event):
    """A part of a message, or what was added to one."""

    object: str = "content"
    type: str
    index: int | None = None
    """Its place among the parts of its message."""
    delta: bool | None = None
    """True: add this to what came before. False: this replaces it. None: this is all of it."""
    msg_id: str | None = None


class TextContent(Content):
    """Text."""

    type: Literal["text"] = ContentType.TEXT
    text: str | None = None


class DataContent(Content):
    """Anything that JSON can say; what tools are called with, and what they return, comes in this form."""

    type: Literal["data"] = ContentType.DATA
    data: dict[str, Any] | None = None


class ImageContent(Content):
    """A picture, by its address; a `data:` URL holds the picture itself."""

    type: Literal["image"] = ContentType.IMAGE
    image_url: str | None = None


class AudioContent(Content):
    """Sound: its address, or its bytes in base64, and the format."""

    type: Literal["audio"] = ContentType.AUDIO
    data: str | None = None
    format: str | None = None


class VideoContent(Content):
    """A film, by its address."""

    type: Literal["video"] = ContentType.VIDEO
    video_url: str | None = None


class FileContent(Content):
    """A file: its address, its id at some service, or its bytes in base64."""

    type: Literal["file"] = ContentType.FILE
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    file_data: str | None = None


class RefusalContent(Content):
    """Why a model does not answer."""

    type: Literal["refusal"] = ContentType.REFUSAL
    refusal: str | None = None


AgentContent = Annotated[
    TextContent | DataContent | ImageContent | AudioContent | VideoContent | FileContent | RefusalContent,
    Field(discriminator="type"),
]
