"""Our messages as autogen's.

Autogen's agents take chat messages of text and pictures. A call and its result become one summary, the way autogen
itself tells one agent what another one did; what a model thought is left out, and other media are mentioned in words.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from autogen_agentchat.messages import BaseChatMessage, MultiModalMessage, TextMessage, ToolCallSummaryMessage
from autogen_core import FunctionCall, Image
from autogen_core.models import FunctionExecutionResult
from PIL import Image as Pillow

from agentscope_runtime.adapters.joining import is_call, is_output
from agentscope_runtime.adapters.media import held_in
from agentscope_runtime.engine.errors import EngineError
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.content import (
    AudioContent,
    Content,
    DataContent,
    FileContent,
    ImageContent,
    RefusalContent,
    TextContent,
    VideoContent,
)
from agentscope_runtime.engine.schemas.exception import InvalidParameterException
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.serialization import to_json

ASKED = {"origin": "request"}
"""Metadata of what we hand over: autogen's streams begin with what they were given, which is not part of the answer."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What models' APIs take as the name of a speaker."""

MOST_PIXELS = 40_000_000
"""All pictures of a request together: decoded, which autogen does at once, these are 120 MB."""

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
"""What is decoded; Pillow knows some more, and starts programs for them."""


class TooManyPixels(EngineError, ValueError):
    """The pictures of a request are few bytes, perhaps, but would fill the memory when they are decoded."""

    code, status, title = "too_many_pixels", 422, "Too many pixels"


@dataclass(slots=True)
class _Canvas:
    """What is left of `MOST_PIXELS` for the pictures of a request."""

    pixels: int = MOST_PIXELS

    def take(self, picture: Pillow.Image) -> None:
        """Count a picture, by its header."""
        self.pixels -= picture.width * picture.height
        if self.pixels < 0:
            raise TooManyPixels(f"the request's pictures have more than {MOST_PIXELS:,} pixels: send smaller ones")


def message_to_autogen_msg(messages: Sequence[Message], converters: Converters | None = None) -> list[Any]:
    """Return the messages as autogen's; those of a type that has a converter are what this makes of them."""
    results = {data.get("call_id"): data for message in messages if is_output(message) for data in _data(message)}
    called = {data.get("call_id") for message in messages if is_call(message) for data in _data(message)}
    converted: list[Any] = []
    canvas = _Canvas()
    for message in messages:
        if convert := (converters or {}).get(message.type):
            own = convert(message)
            converted += own if isinstance(own, list) else [own]
        elif is_call(message):
            converted += [_summary(data, results.get(data.get("call_id"))) for data in _data(message)]
        elif is_output(message):
            # The result of a call that is here stands in the summary of that.
            alone = [data for data in _data(message) if data.get("call_id") not in called]
            converted += [_summary(data, data) for data in alone]
        elif message.type != MessageType.REASONING:
            converted.append(_said(message, canvas))
    return converted


def _data(message: Message) -> list[dict[str, Any]]:
    return [part.data for part in message.content or () if isinstance(part, DataContent) and part.data]


def _said(message: Message, canvas: _Canvas) -> BaseChatMessage:
    parts = list(_parts(message.content or (), canvas))
    source, metadata = _source(message), dict(ASKED)
    if all(isinstance(part, str) for part in parts):
        return TextMessage(id=message.id, content="\n".join(map(str, parts)), source=source, metadata=metadata)
    return MultiModalMessage(id=message.id, content=parts, source=source, metadata=metadata)


def _summary(call: Mapping[str, Any], result: Mapping[str, Any] | None) -> BaseChatMessage:
    """Return what happened when a tool was called."""
    id, name, arguments = call.get("call_id") or "", call.get("name") or "", call.get("arguments") or "{}"
    asked = FunctionCall(id=id, name=name, arguments=arguments if isinstance(arguments, str) else to_json(arguments))
    text, results = f"{name}({asked.arguments})", []
    if result is not None:
        output = result.get("output")
        told = output if isinstance(output, str) else to_json(output)
        results = [FunctionExecutionResult(content=told, name=name, call_id=id, is_error=False)]
        text = f"{text} returned: {told}"
    return ToolCallSummaryMessage(
        content=text, source=Role.ASSISTANT, tool_calls=[asked], results=results, metadata=dict(ASKED)
    )


def _parts(content: Iterable[Content], canvas: _Canvas) -> Iterable[str | Image]:
    for part in content:
        match part:
            case TextContent(text=str(text)) | RefusalContent(refusal=str(text)):
                yield text
            case DataContent(data=dict(data)):
                yield to_json(data)
            case ImageContent(image_url=str(url)):
                yield _image(url, canvas)
            case AudioContent(data=str(data)):
                yield f"[audio: {_address(data)}]"
            case VideoContent(video_url=str(url)):
                yield f"[video: {_address(url)}]"
            case FileContent():
                yield f"[file: {part.filename or part.file_id or _address(part.file_url or '')}]"


def _image(url: str, canvas: _Canvas) -> str | Image:
    """Return a picture that is here; one that is elsewhere is mentioned, because autogen takes no addresses.

    Raises:
        InvalidParameterException: it is none.
        TooManyPixels: it is too large.
    """
    if (medium := held_in(url)) is None:
        return f"[image: {url}]"
    try:
        with warnings.catch_warnings(action="ignore", category=Pillow.DecompressionBombWarning):  # our limit is lower
            picture = Pillow.open(BytesIO(medium.decoded()), formats=_FORMATS)
        canvas.take(picture)
        return Image.from_pil(picture)
    except Pillow.DecompressionBombError as error:  # so many that Pillow does not even open it
        raise TooManyPixels(f"a picture of the request is too large: {error}") from error
    except TooManyPixels:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise InvalidParameterException(f"an image of the request cannot be read as {medium.media_type}") from error


def _address(url: str) -> str:
    """Return where something is; where it is here, only that."""
    return url if url.startswith(("http://", "https://")) else "attached"


def _source(message: Message) -> str:
    """Return who speaks, by the name that autogen gave them if it takes it."""
    name = (message.metadata or {}).get("original_name")
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    return message.role or Role.USER
