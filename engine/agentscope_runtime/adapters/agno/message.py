"""Our messages as agno's: dicts in the form of OpenAI's chat completions, with media in agno's own classes.

Agno hands media to each provider in the provider's form, which it can do only with its own classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from agentscope_runtime.adapters.agno.media import to_agno
from agentscope_runtime.adapters.joining import Answer, Call, original, results, rewritten
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.content import Content, DataContent, RefusalContent, TextContent
from agentscope_runtime.engine.schemas.kinds import Role
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.serialization import to_json

Object = dict[str, Any]


def message_to_agno_message(messages: Sequence[Message], converters: Converters | None = None) -> list[Any]:
    """Return the messages as agno's; those of a type that has a converter are what this makes of them."""
    return rewritten(messages, converters, answer=_answer, said=_said, results=_results)


def _answer(answer: Answer) -> Object:
    own: Object = {"role": Role.ASSISTANT, **_content(answer.parts)}
    if answer.name:
        own["name"] = answer.name
    if answer.thoughts:
        own["reasoning_content"] = answer.thought  # agno keeps it, and tells it to those models that want it
    if answer.calls:
        own["tool_calls"] = [_call(call) for call in answer.calls]
    return own


def _call(call: Call) -> Object:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _said(message: Message) -> Object:
    role = Role.SYSTEM if message.role == Role.TOOL else message.role or Role.USER
    name = original(message, "name")
    return {"role": role, **_content(message.content or ()), **({"name": name} if name else {})}


def _results(message: Message) -> Iterable[Object]:
    for result in results(message):
        content = _content([TextContent(text=result.text), *result.others])
        yield {"role": Role.TOOL, "tool_call_id": result.call_id, "tool_name": result.name, **content}


def _content(parts: Iterable[Content]) -> Object:
    """Return text as `content`, and media under the names that agno's messages have for them."""
    texts: list[str] = []
    found: dict[str, list[Any]] = {}
    for part in parts:
        match part:
            case TextContent(text=str(text)) | RefusalContent(refusal=str(text)):
                texts.append(text)
            case DataContent(data=dict(data)):
                texts.append(to_json(data))
            case _ if (medium := to_agno(part)) is not None:
                found.setdefault(medium[0], []).append(medium[1])
    return {"content": "\n".join(texts), **found}
