"""Messages and tools in the form of OpenAI's chat completions, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from agentscope_runtime.engine.schemas.content import AudioContent, Content, DataContent, ImageContent, TextContent
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.schemas.tools import FunctionCall, Tool

if TYPE_CHECKING:
    from agentscope_runtime.engine.schemas.message import Message


def message_fields(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of our message for one of theirs."""
    fields: dict[str, Any] = {"role": message["role"]}
    if message["role"] == Role.TOOL:
        output = {"call_id": message.get("tool_call_id"), "name": message.get("name"), "output": message["content"]}
        return fields | {"type": MessageType.FUNCTION_CALL_OUTPUT, "content": [_data(output)]}
    content = message.get("content") or []
    parts = [_text(content)] if isinstance(content, str) else [_our_part(part) for part in content]
    if calls := message.get("tool_calls"):
        functions = [{"call_id": call["id"], **call["function"]} for call in calls]
        return fields | {"type": MessageType.FUNCTION_CALL, "content": [*parts, *map(_data, functions)]}
    return fields | {"content": parts}


def convert_to_openai_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Return the messages as chat completions take them; what these cannot say is left out."""
    return [converted for message in messages if (converted := _their_message(message))]


def convert_to_openai_tools(tools: Iterable[Tool | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the tools as chat completions take them."""
    return [tool.model_dump(exclude_none=True) if isinstance(tool, Tool) else dict(tool) for tool in tools]


def convert_to_openai_tool_call(call: FunctionCall | Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as chat completions have it in `tool_calls`."""
    known = call if isinstance(call, FunctionCall) else FunctionCall.model_validate(dict(call))
    return {
        "id": known.call_id,
        "type": "function",
        "function": {"name": known.name, "arguments": known.arguments or "{}"},
    }


def _their_message(message: Message) -> dict[str, Any] | None:
    role = message.role or Role.USER
    data = [part.data for part in message.content or () if isinstance(part, DataContent) and part.data]
    if message.type.endswith("_call_output") and data:
        output = data[0].get("output")
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        return {"role": Role.TOOL, "tool_call_id": data[0].get("call_id"), "content": text}
    if message.type.endswith("_call"):
        calls = [convert_to_openai_tool_call(call) for call in data]
        return {"role": Role.ASSISTANT, "content": message.get_text_content(), "tool_calls": calls}
    if message.type != MessageType.MESSAGE:
        return None  # reasoning, approvals and the like have no place there
    parts = [part for content in message.content or () if (part := _their_part(content))]
    if all(part["type"] == "text" for part in parts):
        return {"role": role, "content": "".join(part["text"] for part in parts)}
    return {"role": role, "content": parts}


def _their_part(content: Content) -> dict[str, Any] | None:
    match content:
        case TextContent(text=str(text)):
            return _text(text)
        case ImageContent(image_url=str(url)):
            return {"type": "image_url", "image_url": {"url": url}}
        case AudioContent(data=str(data)):
            return {"type": "input_audio", "input_audio": {"data": data, "format": content.format}}
        case DataContent(data=dict(data)):
            return _text(json.dumps(data, ensure_ascii=False))
    return None


def _our_part(part: Mapping[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
            return {"type": "image", "image_url": url}
        case {"type": "input_audio", "input_audio": {"data": str(data), **rest}}:
            return {"type": "audio", "data": data, "format": rest.get("format")}
        case {"type": "file", "file": dict(file)}:
            return {"type": "file", **file}
    return dict(part)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _data(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "data", "data": dict(data)}
