"""Our messages as langchain's.

An answer of ours is several messages: reasoning, text, calls. Langchain has one for all of them, and models' APIs
insist on it: the calls of one turn stand in one message, and the results follow. What belongs together is joined again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.serialization import to_json

Block = dict[str, Any]
Converters = Mapping[str, Callable[[Message], Any]]


def message_to_langgraph_msg(messages: Sequence[Message], converters: Converters | None = None) -> list[Any]:
    """Return the messages as langchain's; those of a type that has a converter are what this makes of them."""
    result: list[Any] = []
    answer: _Answer | None = None  # of the assistant, as far as it came
    for message in messages:
        convert = (converters or {}).get(message.type)
        if convert is None and _is_answer(message):
            if answer is None or not answer.continues_with(message):
                answer = _Answer(message)
                result.append(answer)
            answer.add(message)
            continue
        answer = None
        converted = _converted(message) if convert is None else convert(message)
        result.extend(converted if isinstance(converted, list) else [converted])
    return [item.message() if isinstance(item, _Answer) else item for item in result]


@dataclass(slots=True)
class _Answer:
    """What will be one message of the assistant."""

    first: Message
    blocks: list[Block] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    invalid: list[InvalidToolCall] = field(default_factory=list)

    def continues_with(self, message: Message) -> bool:
        """Say whether a message is more of the same answer."""
        own, other = _original(self.first, "id"), _original(message, "id")
        if own and other:
            return bool(own == other)
        # Calls follow the text that announces them, and text follows the thought: never the other way round.
        return _is_call(message) or not (self.blocks or self.calls or self.invalid)

    def add(self, message: Message) -> None:
        """Take in what a message says."""
        parts = message.content or ()
        if message.type == MessageType.REASONING:
            self.reasoning.append(message.get_text_content() or "")
        elif _is_call(message):
            for part in parts:
                self._add_call(part)
        else:
            self.blocks.extend(_blocks(parts))

    def message(self) -> AIMessage:
        """Return it."""
        # Where models that think tell it, and where those that must not be told it again do not look.
        extra = {"reasoning_content": "".join(self.reasoning)} if self.reasoning else {}
        return AIMessage(
            content=_content(self.blocks),
            additional_kwargs=extra,
            tool_calls=self.calls,
            invalid_tool_calls=self.invalid,
            id=_original(self.first, "id") or self.first.id,
            name=_original(self.first, "name"),
        )

    def _add_call(self, part: Content) -> None:
        if not isinstance(part, DataContent) or not part.data:
            self.blocks.extend(_blocks([part]))
            return
        given, id, name = part.data.get("arguments"), part.data.get("call_id"), part.data.get("name") or ""
        try:
            arguments = json.loads(given or "{}") if isinstance(given, str | None) else given
        except ValueError as error:
            self.invalid.append(
                InvalidToolCall(type="invalid_tool_call", name=name, args=given, id=id, error=str(error))
            )
            return
        if not isinstance(arguments, dict):
            arguments = {"input": arguments}
        self.calls.append(ToolCall(type="tool_call", name=name, args=arguments, id=id))


def _is_call(message: Message) -> bool:
    return message.type.endswith("_call")


def _is_answer(message: Message) -> bool:
    if _is_call(message) or message.type == MessageType.REASONING:
        return True
    return message.role == Role.ASSISTANT and not message.type.endswith("_call_output")


def _converted(message: Message) -> list[BaseMessage]:
    """Return the messages of anybody but the assistant."""
    if message.type.endswith("_call_output"):
        return list(_results(message))
    content, name = _content(_blocks(message.content or ())), _original(message, "name")
    if message.role in (Role.SYSTEM, Role.TOOL):
        return [SystemMessage(content=content, id=message.id, name=name)]
    return [HumanMessage(content=content, id=message.id, name=name)]


def _results(message: Message) -> Iterable[ToolMessage]:
    """Return a message for each result of a tool; what else the message holds belongs to the last one."""
    parts = message.content or []
    outputs = [part.data for part in parts if isinstance(part, DataContent) and part.data]
    others = _blocks(part for part in parts if not isinstance(part, DataContent))
    for number, data in enumerate(outputs, 1):
        output = data.get("output")
        text = output if isinstance(output, str) else to_json(output)
        blocks = [_text(text), *others] if others and number == len(outputs) else [_text(text)]
        id = message.id if len(outputs) == 1 else None
        yield ToolMessage(_content(blocks), tool_call_id=data.get("call_id") or "", name=data.get("name"), id=id)


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


def _original(message: Message, what: str) -> str | None:
    """Return the framework's own id or name of a message that comes back to it."""
    value = (message.metadata or {}).get(f"original_{what}")
    return value if isinstance(value, str) else None
