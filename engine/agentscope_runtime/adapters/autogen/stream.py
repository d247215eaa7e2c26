"""What autogen's agents and teams yield, as steps: messages, events, and the result at the end.

A handler passes on what `agent.run_stream(task=msgs)` yields, or returns what `agent.run(task=msgs)` returns. What the
agent was given comes back at the beginning of both, and is left out. Converters are found by the `type` of a message or
event (`TextMessage`, `ToolCallRequestEvent`, …); events that nobody converts and that say nothing to users are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any

from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    StructuredMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from autogen_core.models import RequestUsage

from agentscope_runtime.adapters.autogen.message import ASKED
from agentscope_runtime.adapters.autogen.thinking import Thinking
from agentscope_runtime.adapters.autogen.tool import ToolPictures
from agentscope_runtime.adapters.text.stream import TextTranslator
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.content import DataContent, ImageContent
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.serialization import to_jsonable
from agentscope_runtime.engine.steps import Close, Data, Key, Open, Step, Text, Used, Whole

EXPECTED = "messages and events of autogen, a TaskResult, str, Message, Content, dict"

Said = BaseChatMessage | BaseAgentEvent


@dataclass(slots=True)
class _Stream:
    """A text that comes in pieces, or at once."""

    origin: dict[str, Any]  #: the metadata of its messages
    thinking: Thinking = field(default_factory=Thinking)
    open: Key = None  #: the message of ours that it goes into at the moment


class AutogenTranslator:
    """Turns the outputs of one handler into steps. Each message of autogen's is told once, by its id."""

    def __init__(self, converters: Converters | None = None) -> None:
        self._converters = converters or {}
        self._plain = TextTranslator(expected=EXPECTED)
        self._streams: dict[Key, _Stream] = {}  # those that have not come to their end
        self._pictures: dict[str | None, list[str]] = {}  # of calls whose results have not come
        self._told: set[str] = set()
        self._spent = RequestUsage(prompt_tokens=0, completion_tokens=0)

    def take(self, output: Any) -> list[Step]:
        """Return what an output says."""
        if isinstance(output, TaskResult):
            return [step for message in output.messages for step in self.take(message)]
        if isinstance(output, Response):
            return [step for said in [*(output.inner_messages or ()), output.chat_message] for step in self.take(said)]
        if not isinstance(output, BaseChatMessage | BaseAgentEvent):
            return self._plain.take(output)
        if output.id in self._told or _was_given(output):
            return []
        return [*self._plain.finish(), *self._told_by(output)]

    def finish(self) -> list[Step]:
        """Return the closing of what no end was seen of."""
        return [*self._plain.finish(), *self._end_all()]

    def _told_by(self, said: Said) -> Iterator[Step]:
        kind = (
            "StructuredMessage" if isinstance(said, StructuredMessage) else getattr(said, "type", type(said).__name__)
        )
        if convert := self._converters.get(kind):
            yield from self._plain.put(convert(said), said.id)
        else:
            yield from self._steps(said)
        if not isinstance(said, ModelClientStreamingChunkEvent):
            self._told.add(said.id)
        if said.models_usage:
            self._spent.prompt_tokens += said.models_usage.prompt_tokens
            self._spent.completion_tokens += said.models_usage.completion_tokens
            if spent := _usage(self._spent):
                yield Used(spent)

    @singledispatchmethod
    def _steps(self, said: Said) -> Iterator[Step]:
        """Say what a message or an event tells users; most kinds of events tell them nothing."""
        if isinstance(said, BaseChatMessage):
            yield from self._whole(said)

    @_steps.register
    def _piece(self, said: ModelClientStreamingChunkEvent) -> Iterator[Step]:
        key = said.full_message_id or ("stream", said.source)
        return self._tell(key, self._stream(key, said).thinking.take(said.content))

    @_steps.register
    def _thought(self, said: ThoughtEvent) -> Iterator[Step]:
        """Say what a model thought, or said before it called tools; most of the time it was streamed before."""
        if said.id not in self._streams:
            if any(stream.thinking.thought for stream in self._streams.values()):
                return
            self._stream(said.id, said)
            yield from self._tell(said.id, [(True, said.content)])
        yield from self._end(said.id)

    @_steps.register
    def _calls(self, said: ToolCallRequestEvent) -> Iterator[Step]:
        yield from self._end_all()
        for call in said.content:
            key = ("call", call.id)
            yield Open(key, MessageType.PLUGIN_CALL, metadata=_origin(said, said.id))
            yield Data(key, {"call_id": call.id, "name": call.name, "arguments": call.arguments})
            yield Close(key, _usage(said.models_usage) if call is said.content[-1] else None)

    @_steps.register
    def _seen(self, said: ToolPictures) -> Iterator[Step]:
        self._pictures.setdefault(said.call_id, []).extend(said.pictures)
        return iter(())

    @_steps.register
    def _results(self, said: ToolCallExecutionEvent) -> Iterator[Step]:
        for result in said.content:
            key = ("result", result.call_id)
            yield Open(key, MessageType.PLUGIN_CALL_OUTPUT, Role.TOOL, {"status": "error"} if result.is_error else None)
            yield Data(key, {"call_id": result.call_id, "name": result.name, "output": result.content})
            for url in self._pictures.pop(result.call_id, ()):
                yield Whole(key, ImageContent(image_url=url))
            yield Close(key)

    @_steps.register
    def _mixed(self, said: MultiModalMessage) -> Iterator[Step]:
        yield Open(said.id, metadata=_origin(said, said.id))
        for number, part in enumerate(said.content):
            if isinstance(part, str):
                yield Text(said.id, part, number)
            else:
                yield Whole(said.id, ImageContent(image_url=part.data_uri))
        yield Close(said.id, _usage(said.models_usage))

    @_steps.register
    def _structured(self, said: StructuredMessage) -> Iterator[Step]:  # type: ignore[type-arg]
        if (key := self._streamed(said)) is None:
            key = said.id
            self._stream(key, said)
            yield from self._tell(key, [(False, said.to_text())])
        stream = self._streams[key]
        stream.open = stream.open or (MessageType.MESSAGE, key)
        yield Whole(stream.open, DataContent(data=to_jsonable(said.content)))
        yield from self._end(key, said.models_usage)

    @_steps.register(CodeGenerationEvent)
    @_steps.register(CodeExecutionEvent)
    def _whole(self, said: Said) -> Iterator[Step]:
        """Say a text that may have been streamed; if so, only that it is whole."""
        if (key := self._streamed(said)) is None:
            key = said.id
            yield from self._tell(key, self._stream(key, said).thinking.take(said.to_text()))
        yield from self._end(key, said.models_usage)

    def _stream(self, key: Key, said: Said) -> _Stream:
        if key not in self._streams:
            self._streams[key] = _Stream(_origin(said, key if isinstance(key, str) else said.id))
        return self._streams[key]

    def _streamed(self, said: Said) -> Key:
        """Return the key of the stream that this is the whole of; None when it was not streamed."""
        return next((key for key in (said.id, ("stream", said.source)) if key in self._streams), None)

    def _tell(self, key: Key, pieces: Iterable[tuple[bool, str]]) -> Iterator[Step]:
        stream = self._streams[key]
        for thought, text in pieces:
            kind = MessageType.REASONING if thought else MessageType.MESSAGE
            if stream.open != (kind, key):
                yield from self._leave(stream)
                yield Open((kind, key), kind, metadata=stream.origin)
                stream.open = (kind, key)
            yield Text(stream.open, text)

    def _end_all(self) -> Iterator[Step]:
        for key in list(self._streams):
            yield from self._end(key)

    def _end(self, key: Key, usage: RequestUsage | None = None) -> Iterator[Step]:
        yield from self._tell(key, self._streams[key].thinking.end())
        yield from self._leave(self._streams.pop(key), usage)

    def _leave(self, stream: _Stream, usage: RequestUsage | None = None) -> Iterator[Step]:
        if stream.open is not None:
            yield Close(stream.open, _usage(usage))


def _was_given(said: Said) -> bool:
    """Say whether it is the question."""
    return isinstance(said, BaseChatMessage) and (said.source == Role.USER or ASKED.items() <= said.metadata.items())


def _origin(said: Said, id: str) -> dict[str, Any]:
    return {"original_id": id, "original_name": said.source}


def _usage(usage: RequestUsage | None) -> dict[str, Any] | None:
    if usage is None or not (total := usage.prompt_tokens + usage.completion_tokens):
        return None  # zero is what a client says that was not told
    return {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens, "total_tokens": total}
