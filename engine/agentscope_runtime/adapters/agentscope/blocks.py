"""The blocks that a Msg consists of, one at a time: as parts of messages, and back.

Blocks are plain dictionaries with a `type`; agentscope's classes for them say which keys they have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from agentscope_runtime.adapters.media import Medium, file, held_in, sound
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
from agentscope_runtime.engine.serialization import to_json, to_jsonable

Block = dict[str, Any]


class FailedBlocks(list[Any]):
    """What a tool said that failed: blocks as any, but agentscope's results have no other place to say so."""


MEDIA = frozenset({"image", "audio", "video", "file"})
"""Types of blocks that have a source: an address, or bytes in base64."""

OF_RESULTS = MEDIA | {"text"}
"""Types of blocks that a tool's result may consist of."""


def as_part(block: Mapping[str, Any]) -> Content:
    """Return the part of a message that a block becomes; one of an unknown type becomes data."""
    kind, source = block.get("type"), block.get("source")
    if kind == "text":
        return TextContent(text=block.get("text") or "")
    if kind not in MEDIA or not isinstance(source, Mapping):
        return DataContent(data=to_jsonable(dict(block)))
    if source.get("type") == "base64":
        medium = Medium(source.get("media_type") or f"{kind}/*", source.get("data") or "")
        return medium.content(block.get("filename")) if medium.kind == kind else _by_address(block, medium.url)
    return _by_address(block, str(source.get("url") or ""))


def _by_address(block: Mapping[str, Any], url: str) -> Content:
    match block["type"]:
        case "image":
            return ImageContent(image_url=url)
        case "video":
            return VideoContent(video_url=url)
        case "audio":
            ending = url.rpartition(".")[2] if not url.startswith("data:") else ""
            return AudioContent(data=url, format=ending if ending.isalnum() else None)
    return FileContent(file_url=url, filename=block.get("filename"))


def as_block(part: Content) -> Block | None:
    """Return the block that a part of a message becomes; None for one that is empty."""
    match part:
        case TextContent(text=str(text)) | RefusalContent(refusal=str(text)):
            block = _text(text)
        case DataContent(data=dict(data)):
            block = _text(to_json(data))
        case ImageContent(image_url=str(url)):
            block = _medium("image", held_in(url), url)
        case VideoContent(video_url=str(url)):
            block = _medium("video", held_in(url), url)
        case AudioContent(data=str(url)):
            block = _medium("audio", sound(part), url)
        case FileContent():
            block = _text(_about(part))
        case _:
            return None
    return block


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _medium(kind: str, held: Medium | None, url: str) -> Block:
    if held is None:
        return {"type": kind, "source": {"type": "url", "url": url}}
    return {"type": kind, "source": {"type": "base64", "media_type": held.media_type, "data": held.base64}}


def _about(part: FileContent) -> str:
    """Describe a file in words: agentscope's models take none, and would drop a block of that type unseen."""
    where = part.file_id or (part.file_url if held_in(part.file_url) is None else None)
    what = " ".join(filter(None, ["file", part.filename, where]))
    return f"[{what}]" if where or (held := file(part)) is None else f"[{what}, {held.media_type}, not shown]"


def arguments_of(call: Mapping[str, Any]) -> str:
    """Return what a tool is called with, as JSON as far as it has come; the text that the model wrote, where known."""
    written, meant = call.get("raw_input"), call.get("input")
    if isinstance(written, str) and written:
        return written
    if isinstance(meant, str):
        return meant
    return to_json(meant) if meant else ""


def whole_arguments_of(call: Mapping[str, Any]) -> str:
    """Return what a tool is called with, now that all of it is there: what is run is `input`."""
    written, meant = arguments_of(call), call.get("input")
    if isinstance(meant, Mapping) and _parsed(written) != meant:
        return to_json(meant)
    return written or "{}"


def input_of(arguments: object) -> dict[str, Any]:
    """Return the arguments of a call, which clients send as JSON or as an object."""
    meant = _parsed(arguments) if isinstance(arguments, str) else arguments
    return dict(meant) if isinstance(meant, Mapping) else {}


def output_of(result: Mapping[str, Any]) -> str:
    """Return what a tool returned: text as it is, blocks as JSON. Bytes are left out: they are parts of their own."""
    output = result.get("output")
    if isinstance(output, str):
        return output
    return to_json([_without_bytes(block) for block in blocks_in(output)] if isinstance(output, list) else output)


def _without_bytes(block: Block) -> Block:
    source = block.get("source")
    if not isinstance(source, Mapping) or "data" not in source:
        return block
    return {**block, "source": {name: value for name, value in source.items() if name != "data"}}


def result_of(output: object, parts: Iterable[Content]) -> str | list[Block]:
    """Return a tool's output as it was before `output_of`, with its pictures and sounds from the parts beside it."""
    meant = _parsed(output) if isinstance(output, str) else output
    media = (block for part in parts if (block := as_block(part)) and block["type"] in MEDIA)
    if not _are_blocks(meant):
        text = output if isinstance(output, str) else to_json(output)
        pictures = list(media)
        return [_text(text), *pictures] if pictures else text
    blocks = [next(media, block) if block["type"] in MEDIA else block for block in meant]
    return [block for block in [*blocks, *media] if block["type"] not in MEDIA or _is_there(block)]


def _is_there(block: Block) -> bool:
    source = block.get("source") or {}
    return bool(source.get("url") or source.get("data"))


def _are_blocks(value: object) -> TypeGuard[list[Block]]:
    return isinstance(value, list) and all(isinstance(v, dict) and v.get("type") in OF_RESULTS for v in value)


def blocks_in(content: str | Sequence[Any] | None) -> list[Block]:
    """Return the content of a Msg, or a tool's output, as blocks."""
    if isinstance(content, str):
        return [_text(content)]
    return [_text(block) if isinstance(block, str) else dict(block) for block in content or ()]


def every_block(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield blocks, and those within tools' results."""
    for block in blocks:
        yield block
        if block.get("type") == "tool_result" and isinstance(block.get("output"), list):
            yield from blocks_in(block["output"])


def _parsed(text: str) -> Any:
    """Return what JSON says, or None: it may be half written."""
    try:
        return json.loads(text)
    except ValueError:
        return None
