"""Our messages as langchain's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)

from agentscope_runtime.adapters import media
from agentscope_runtime.adapters.joining import Answer, original, results, rewritten
from agentscope_runtime.adapters.langgraph.blocks import Block
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
from agentscope_runtime.engine.schemas.kinds import Role
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.serialization import to_json


def message_to_langgraph_msg(messages: Sequence[Message], converters: Converters | None = None) -> list[Any]:
    """Return the messages as langchain's; those of a type that has a converter are what this makes of them."""
    return rewritten(messages, converters, answer=_answer, said=_said, results=_results)


def _answer(answer: Answer) -> AIMessage:
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call in answer.calls:
        try:
            calls.append(ToolCall(type="tool_call", name=call.name, args=call.read(), id=call.id))
        except ValueError as error:
            invalid.append(
                InvalidToolCall(
                    type="invalid_tool_call", name=call.name, args=call.arguments, id=call.id, error=str(error)
                )
            )
    return AIMessage(
        content=_content(_blocks(answer.parts)),
        # Where models that think tell it, and where those that must not be told it again do not look.
        additional_kwargs={"reasoning_content": answer.thought} if answer.thoughts else {},
        tool_calls=calls,
        invalid_tool_calls=invalid,
        id=answer.id,
        name=answer.name,
    )


def _said(message: Message) -> BaseMessage:
    """Return what somebody said who is not the assistant."""
    content, name = _content(_blocks(message.content or ())), original(message, "name")
    if message.role in (Role.SYSTEM, Role.TOOL):
        return SystemMessage(content=content, id=message.id, name=name)
    return HumanMessage(content=content, id=message.id, name=name)


def _results(message: Message) -> Iterator[ToolMessage]:
    """Yield a message for each result of a tool."""
    told = results(message)
    for result in told:
        content = _content([_text(result.text), *_blocks(result.others)])
        id = message.id if len(told) == 1 else None
        yield ToolMessage(content, tool_call_id=result.call_id, name=result.name, id=id)


def _content(blocks: list[Block]) -> Any:
    """Return text alone as text, which every model takes, and everything else as blocks."""
    if all(block["type"] == "text" for block in blocks):
        return "\n".join(block["text"] for block in blocks)
    return blocks


def _blocks(parts: Iterable[Content]) -> list[Block]:
    return [block for part in parts if (block := _block(part)) is not None]


def _block(part: Content) -> Block | None:
    match part:
        case TextContent(text=str(text)) | RefusalContent(refusal=str(text)):
            return _text(text)
        case DataContent(data=dict(data)):
            return _text(to_json(data))
        case ImageContent(image_url=str(url)):
            return {"type": "image_url", "image_url": {"url": url}}  # of all forms the one that most models take
        case FileContent(file_id=str(id)):
            return {"type": "file", "file_id": id}
    return _of_medium(part)


def _of_medium(part: Content) -> Block | None:
    match part:
        case AudioContent(data=str(data)):
            return _medium("audio", media.sound(part), data)
        case VideoContent(video_url=str(url)):
            return _medium("video", media.held_in(url), url)
        case FileContent():
            block = _medium("file", media.file(part), part.file_url)
            return block and {**block, "filename": part.filename or "file"}
    return None


def _medium(kind: str, medium: media.Medium | None, url: str | None) -> Block | None:
    if medium is not None:
        return {"type": kind, "base64": medium.base64, "mime_type": medium.media_type}
    return {"type": kind, "url": url} if url else None


def _text(text: str) -> Block:
    return {"type": "text", "text": text}
