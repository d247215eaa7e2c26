"""What belongs together in a conversation, for frameworks that have one message where we have several.

An answer of ours is a message of reasoning, one of text, and one for each call. Models' APIs insist on one message for
all of them, with the results after it, and so do the frameworks that speak to them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.content import Content, DataContent
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.serialization import to_json


@dataclass(frozen=True, slots=True)
class Call:
    """A model asks for a tool."""

    id: str | None
    name: str
    arguments: str
    """JSON, or what the model wrote instead."""

    def read(self) -> dict[str, Any]:
        """Return the arguments as an object.

        Raises:
            ValueError: they are no JSON.
        """
        arguments = json.loads(self.arguments)
        return arguments if isinstance(arguments, dict) else {"input": arguments}


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool said."""

    call_id: str
    name: str | None
    text: str
    others: list[Content]
    """Pictures and the like, which came with it."""


@dataclass(slots=True)
class Answer:
    """What an assistant thought, said and asked for, before anybody answered."""

    first: Message
    parts: list[Content] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The framework's own id, if this comes back to it, else that of its first message."""
        return original(self.first, "id") or self.first.id

    @property
    def name(self) -> str | None:
        """The name of the agent."""
        return original(self.first, "name")

    @property
    def thought(self) -> str:
        """All that was thought."""
        return "".join(self.thoughts)

    def continues_with(self, message: Message) -> bool:
        """Say whether a message is more of the same answer."""
        own, other = original(self.first, "id"), original(message, "id")
        if own and other:
            return own == other
        # Calls follow the text that announces them, and text follows the thought: never the other way round.
        return is_call(message) or not (self.parts or self.calls)

    def add(self, message: Message) -> None:
        """Take in what a message says."""
        if message.type == MessageType.REASONING:
            self.thoughts.append(message.get_text_content() or "")
            return
        for part in message.content or ():
            if is_call(message) and isinstance(part, DataContent):
                self.calls.append(_call(part.data or {}))
            else:
                self.parts.append(part)


def joined(messages: Sequence[Message], converters: Converters | None = None) -> Iterator[Answer | Message | list[Any]]:
    """Yield answers, the messages of everybody else, and lists of what converters made of messages of their types."""
    answer: Answer | None = None
    for message in messages:
        convert = (converters or {}).get(message.type)
        if convert is None and _is_answer(message):
            if answer is not None and not answer.continues_with(message):
                yield answer
                answer = None
            answer = answer or Answer(message)
            answer.add(message)
            continue
        if answer is not None:
            yield answer
            answer = None
        if convert is None:
            yield message
        else:
            converted = convert(message)
            yield converted if isinstance(converted, list) else [converted]
    if answer is not None:
        yield answer


def rewritten(
    messages: Sequence[Message],
    converters: Converters | None,
    *,
    answer: Callable[[Answer], Any],
    said: Callable[[Message], Any],
    results: Callable[[Message], Iterable[Any]],
) -> list[Any]:
    """Return messages as a framework writes them.

    Args:
        messages: Ours.
        converters: By type of message, what makes of it what stands instead.
        answer: Writes an answer.
        said: Writes what somebody else said.
        results: Writes what tools said.
    """
    written: list[Any] = []
    for item in joined(messages, converters):
        if isinstance(item, Answer):
            written.append(answer(item))
        elif isinstance(item, Message):
            written.extend(results(item) if is_output(item) else [said(item)])
        else:
            written.extend(item)
    return written


def results(message: Message) -> list[Result]:
    """Return the results that a message of outputs holds; what else it holds came with the last one."""
    parts = message.content or []
    data = [part.data for part in parts if isinstance(part, DataContent) and part.data]
    others: list[Content] = [part for part in parts if not isinstance(part, DataContent)]
    return [_result(each, others if each is data[-1] else []) for each in data]


def is_call(message: Message) -> bool:
    """Say whether a message asks for tools."""
    return message.type.endswith("_call")


def is_output(message: Message) -> bool:
    """Say whether a message is what tools said."""
    return message.type.endswith("_call_output")


def original(message: Message, what: str) -> str | None:
    """Return the framework's own `id` or `name` of a message that comes back to it."""
    value = (message.metadata or {}).get(f"original_{what}")
    return value if isinstance(value, str) else None


def _is_answer(message: Message) -> bool:
    if is_call(message) or message.type == MessageType.REASONING:
        return True
    return message.role == Role.ASSISTANT and not is_output(message)


def _call(data: Mapping[str, Any]) -> Call:
    arguments = data.get("arguments") or "{}"
    text = arguments if isinstance(arguments, str) else to_json(arguments)
    return Call(data.get("call_id"), data.get("name") or "", text)


def _result(data: Mapping[str, Any], others: list[Content]) -> Result:
    output = data.get("output")
    text = output if isinstance(output, str) else to_json(output)
    return Result(data.get("call_id") or "", data.get("name"), text, others)
