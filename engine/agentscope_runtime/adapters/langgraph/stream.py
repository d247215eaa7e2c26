"""What langgraph's graphs yield, as steps: messages, whole or in chunks, alone or in pairs.

A handler passes on what `graph.astream(…, stream_mode="messages")` yields, or pairs of a message and whether that was
the last of it, or messages, or the state that `graph.ainvoke` returns. Converters are found by the type of a block
(`text`, `reasoning`, `image`, `tool_call`, …), and by `tool` for a tool's message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata, add_usage

from agentscope_runtime.adapters.langgraph.answer import ModelMessage
from agentscope_runtime.adapters.langgraph.blocks import blocks_of, content_in, output_of, text_in
from agentscope_runtime.adapters.sandbox_tools import outcome_of
from agentscope_runtime.adapters.text.stream import TextTranslator
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.content import Content
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.steps import Close, Data, Key, Open, Step, Used, Whole

EXPECTED = "langchain's messages, alone or as (message, last), a state with messages, str, Message, Content, dict"


class LangGraphTranslator:
    """Turns the outputs of one handler into steps. Messages may alternate: they are told apart by their ids."""

    def __init__(self, converters: Converters | None = None) -> None:
        self._converters = converters or {}
        self._plain = TextTranslator(expected=EXPECTED)
        self._answers: dict[Key, ModelMessage] = {}  # of models, as far as they are not complete
        self._told: set[str] = set()  # the ids of messages that were told completely
        self._usage: UsageMetadata | None = None
        self._numbers = count()
        self._nameless: Key = None  # the key of the chunks that have no id

    def take(self, output: Any) -> list[Step]:
        """Return what an output says."""
        message, last = _unpacked(output)
        if isinstance(message, BaseMessage):
            return [*self._plain.finish(), *self._message(message, last)]
        if isinstance(message, Mapping) and isinstance(messages := message.get("messages"), list):
            return [step for answer in _since_the_user(messages) for step in self.take(answer)]
        return self._plain.take(message)

    def finish(self) -> list[Step]:
        """Return the closing of what no end was seen of."""
        open_ones, self._answers = self._answers, {}
        return [*self._plain.finish(), *(step for answer in open_ones.values() for step in answer.close())]

    def _message(self, message: BaseMessage, last: bool) -> Iterator[Step]:
        if isinstance(message, AIMessage):
            yield from self._answer(message, last)
            return
        if isinstance(message, RemoveMessage) or message.id in self._told:
            return
        if message.id is not None:
            self._told.add(message.id)
        if isinstance(message, ToolMessage):
            yield from self._result(message)
        else:
            yield from self._other(message)

    def _answer(self, message: AIMessage, last: bool) -> Iterator[Step]:
        chunk = isinstance(message, AIMessageChunk)
        key = message.id or self._key_for_nameless(chunk)
        if not chunk and key in self._told:
            return
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = ModelMessage(key, self._converters)
        if chunk or not answer.begun:
            yield from answer.take(message)
            yield from self._count(message.usage_metadata)
        elif answer.usage is None:  # it repeats what was streamed, and adds what that cost
            answer.usage = message.usage_metadata
            yield from self._count(message.usage_metadata)
        if last or not chunk or cast(AIMessageChunk, message).chunk_position == "last":
            yield from self._complete(key)

    def _complete(self, key: Key) -> Iterator[Step]:
        if isinstance(key, str):
            self._told.add(key)
        elif key == self._nameless:
            self._nameless = None
        yield from self._answers.pop(key).close()

    def _key_for_nameless(self, chunk: bool) -> Key:
        if not chunk:
            return next(self._numbers)
        if self._nameless is None:
            self._nameless = next(self._numbers)
        return self._nameless

    def _count(self, usage: UsageMetadata | None) -> Iterator[Step]:
        if usage:
            self._usage = add_usage(self._usage, usage)
            yield Used(dict(self._usage))

    def _result(self, message: ToolMessage) -> Iterator[Step]:
        for key in [key for key, answer in self._answers.items() if answer.asked(message.tool_call_id)]:
            yield from self._complete(key)  # who is answered has finished speaking
        key = ("result", message.id or next(self._numbers))
        if convert := self._converters.get("tool"):
            yield from [*self._plain.put(convert(message), key), Close(key)]
            return
        output, media = output_of(message.content)
        if isinstance(message.artifact, Mapping) and not media:  # what a sandbox gave, and the model was not shown
            media = [image.content() for image in outcome_of(message.artifact).images]
        failed = {"status": message.status} if message.status == "error" else None
        yield Open(key, MessageType.PLUGIN_CALL_OUTPUT, Role.TOOL, failed)
        yield Data(key, {"call_id": message.tool_call_id, "name": message.name or "", "output": output})
        yield from (Whole(key, part) for part in media)
        yield Close(key)

    def _other(self, message: BaseMessage) -> Iterator[Step]:
        key = ("other", message.id or next(self._numbers))
        yield Open(key, role=_role(message))
        for block in blocks_of(message):
            part: str | Content | None = text_in(block)
            yield from self._plain.put(content_in(block) if part is None else part, key)
        yield from self._plain.finish()


def _unpacked(output: Any) -> tuple[Any, bool]:
    """Return what an output is about, and whether the handler said that this is the last of it."""
    if isinstance(output, tuple) and len(output) == 2:
        first, second = output
        if isinstance(first, BaseMessage):
            return first, second is True  # else it is what langgraph tells beside each message
        if first == "messages":  # of several modes of streaming at once
            return _unpacked(second)
    if isinstance(output, Mapping) and output.get("type") == "messages" and "data" in output:
        return _unpacked(output["data"])  # as version="v2" streams
    return output, False


def _since_the_user(messages: list[Any]) -> list[Any]:
    """Return the messages of a state that are the answer: what comes after the last thing that the user said."""
    said = [number for number, message in enumerate(messages) if isinstance(message, HumanMessage)]
    return messages[said[-1] + 1 if said else 0 :]


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    if isinstance(message, HumanMessage):
        return Role.USER
    return Role.SYSTEM if isinstance(message, SystemMessage) else Role.ASSISTANT
