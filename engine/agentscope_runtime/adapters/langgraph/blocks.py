"""Langchain's blocks of content as parts of our messages, whichever provider's dialect they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage

from agentscope_runtime.adapters.media import UNKNOWN, Medium
from agentscope_runtime.engine.schemas.content import (
    AudioContent,
    Content,
    DataContent,
    FileContent,
    ImageContent,
    RefusalContent,
    VideoContent,
)
from agentscope_runtime.engine.serialization import to_json

Block = dict[str, Any]

_CALLS = ("tool_call", "tool_call_chunk", "invalid_tool_call")
"""Blocks that say again what `tool_calls` says."""

_USUAL = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}
"""What media are that do not say it."""


def blocks_of(message: BaseMessage) -> list[Block]:
    """Return what a message says, without its calls, in langchain's standard blocks."""
    if isinstance(message.content, str):
        blocks: list[Block] = [{"type": "text", "text": message.content}] if message.content else []
        if thought := message.additional_kwargs.get("reasoning_content"):
            blocks.insert(0, {"type": "reasoning", "reasoning": thought})
        return blocks
    if all(isinstance(block, str) or block.get("type") == "text" for block in message.content):  # most of what streams
        return [{"type": "text", "text": block} if isinstance(block, str) else block for block in message.content]
    return [_plain(dict(block)) for block in message.content_blocks if block["type"] not in _CALLS]


def text_in(block: Block) -> str | None:
    """Return the text of a block of text."""
    return block.get("text") or "" if block["type"] in ("text", "text-plain") else None


def thought_in(block: Block) -> str | None:
    """Return the thought of a block of reasoning."""
    return block.get("reasoning") or "" if block["type"] == "reasoning" else None


def content_in(block: Block) -> Content:
    """Return any other block as a part of a message: media as what they are, the rest as data."""
    kind, url, data = block["type"], block.get("url"), block.get("base64")
    medium = Medium(block.get("mime_type") or _USUAL.get(kind, UNKNOWN), data) if data else None
    if medium and kind in _USUAL:
        return medium.content()
    match kind:
        case "image" if url:
            return ImageContent(image_url=url)
        case "video" if url:
            return VideoContent(video_url=url)
        case "audio" if url:
            return AudioContent(data=url)
        case "file":
            return FileContent(
                file_url=url, file_id=block.get("file_id"), file_data=data, filename=block.get("filename")
            )
    return RefusalContent(refusal=block["refusal"]) if kind == "refusal" else DataContent(data=block)


def output_of(content: str | list[Any]) -> tuple[str, list[Content]]:
    """Return what a tool said as text, and the media that it gave.

    A text is itself; what is neither text nor medium is told as JSON.
    """
    if isinstance(content, str):
        return content, []
    texts: list[str] = []
    media: list[Content] = []
    for item in content:
        block = _plain({"type": "text", "text": item} if isinstance(item, str) else dict(item))
        if (text := text_in(block)) is not None:
            texts.append(text)
        elif isinstance(part := content_in(block), DataContent):
            texts.append(to_json(block))
        else:
            media.append(part)
    return "\n".join(texts), media


def _plain(block: Block) -> Block:
    """Return a block in the standard form where langchain leaves it in a provider's."""
    if block["type"] == "non_standard" and isinstance(value := block.get("value"), dict):
        block = {"type": "data", **value}
    match block:
        case {"type": "thinking", "thinking": str(thought)}:
            return {"type": "reasoning", "reasoning": thought}
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
            return {"type": "image", "url": url}
        case {"type": "image", "source": Mapping() as source}:
            return {
                "type": "image",
                "url": source.get("url"),
                "base64": source.get("data"),
                "mime_type": source.get("media_type"),
            }
    return block
