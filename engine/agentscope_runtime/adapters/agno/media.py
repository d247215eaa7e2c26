"""Pictures, sound, films and files as agno's classes, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agno.media import Audio, File, Image, Video

from agentscope_runtime.adapters.media import (
    UNKNOWN,
    Medium,
    RemoteAddress,
    elsewhere,
    file,
    held_in,
    not_loaded,
    sound,
    type_of,
)
from agentscope_runtime.engine.schemas.content import AudioContent, Content, FileContent, ImageContent, VideoContent

AnyMedium = Audio | File | Image | Video

_USUAL = {Image: "image/png", Audio: "audio/wav", Video: "video/mp4"}
"""What media are that do not say it."""


class LinkedImage(Image):
    """A picture elsewhere: its address is for the model's provider, and nobody loads it here."""

    def get_content_bytes(self, *args: Any, **kwargs: Any) -> bytes | None:
        """Refuse what some models' classes do on the event loop, such as those of Claude, Gemini and Ollama.

        Raises:
            RemoteAddress: always.
        """
        raise RemoteAddress.of(str(self.url))

    async def aget_content_bytes(self, *args: Any, **kwargs: Any) -> bytes | None:
        """Refuse it, as `get_content_bytes` does."""
        return self.get_content_bytes()


def to_agno(part: Content) -> tuple[str, AnyMedium] | None:
    """Return a part as agno's class, after the name of the field that agno's messages have for it; None for others.

    Raises:
        RemoteAddress: it is a sound, film or file elsewhere, which agno would load.
        LocalAddress: agno would fetch a file of this machine, or something of its network.
    """
    match part:
        case ImageContent(image_url=str(url)):
            return "images", _held(Image, url) or LinkedImage(url=elsewhere(url))
        case VideoContent(video_url=str(url)):
            return "videos", _held(Video, url) or Video(url=not_loaded(url))
        case AudioContent(data=str(data)):
            heard = sound(part)
            return "audio", Audio(content=heard.decoded(), format=heard.format) if heard else Audio(
                url=not_loaded(data)
            )
        case FileContent():
            return ("files", found) if (found := _file(part)) else None
    return None


def _held(kind: type[Image | Video], url: str) -> Image | Video | None:
    held = held_in(url)
    return kind(content=held.decoded(), mime_type=held.media_type) if held else None


def from_agno(medium: AnyMedium) -> Content:
    """Return one of agno's media as a part of a message."""
    if medium.url:
        return _linked(medium, medium.url)
    name = getattr(medium, "filename", None)
    data = _bytes(medium)
    if data is None:
        return FileContent(file_id=medium.id, filename=name)
    held = Medium.of(data, _type(medium))
    return FileContent(file_data=held.base64, filename=name) if isinstance(medium, File) else held.content()


def _file(part: FileContent) -> File | None:
    held, name = file(part), part.filename
    if held is not None:
        known = held.media_type if held.media_type in File.valid_mime_types() else None  # it refuses all others
        return File(content=held.decoded(), filename=name, mime_type=known)
    if part.file_url:
        return File(url=not_loaded(part.file_url), filename=name)
    return File(id=part.file_id, filename=name) if part.file_id else None


def _linked(medium: AnyMedium, url: str) -> Content:
    if isinstance(medium, Image):
        return ImageContent(image_url=url)
    if isinstance(medium, Video):
        return VideoContent(video_url=url)
    if isinstance(medium, Audio):
        return AudioContent(data=url, format=medium.format)
    return FileContent(file_url=url, filename=medium.filename)


def _bytes(medium: AnyMedium) -> bytes | None:
    """Return the bytes of what a tool or a model made, also where it put them on this machine's disk."""
    content: Any = medium.content
    if content is None:
        return Path(medium.filepath).read_bytes() if medium.filepath else None
    return content if isinstance(content, bytes) else str(content).encode()


def _type(medium: AnyMedium) -> str:
    if medium.mime_type:
        return medium.mime_type
    usual = _USUAL.get(type(medium))
    if usual is None:
        return type_of(getattr(medium, "filename", None), UNKNOWN)
    kind = usual.partition("/")[0]
    return f"{kind}/{medium.format}" if medium.format else usual
