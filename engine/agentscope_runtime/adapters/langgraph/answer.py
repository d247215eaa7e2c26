"""One message of a model as it comes in, which is several of ours: what it thinks, what it says, each of its calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage

from agentscope_runtime.adapters.langgraph.blocks import Block, blocks_of, content_in, text_in, thought_in
from agentscope_runtime.adapters.text.stream import TextTranslator
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.kinds import MessageType
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.steps import Close, Data, Key, Open, Step


@dataclass(slots=True)
class _Call:
    """A call whose arguments are still coming."""

    key: Key
    id: str | None
    index: int | str | None
    name: str = ""
    arguments: str = ""

    def data(self) -> dict[str, Any]:
        """Return it as far as it came."""
        return {"call_id": self.id or "", "name": self.name, "arguments": self.arguments}


class ModelMessage:
    """A model's message. Its calls stay open until its end, because their pieces may alternate."""

    def __init__(self, key: Key, converters: Converters) -> None:
        self.usage: UsageMetadata | None = None
        self._key = key
        self._converters = converters
        self._parts = TextTranslator()
        self._speaking: Key = None  # the message that text goes into, if it is open
        self._calls: list[_Call] = []
        self._metadata: dict[str, Any] | None = None

    def take(self, message: AIMessage) -> Iterator[Step]:
        """Say what a message adds, be it a chunk or the whole."""
        if self._metadata is None:
            named = {"original_id": message.id, "original_name": message.name}
            self._metadata = {name: value for name, value in named.items() if value is not None}
        for block in blocks_of(message):
            yield from self._block(block)
        if isinstance(message, AIMessageChunk):
            for piece in message.tool_call_chunks:
                yield from self._grow(self._call_of(piece), piece["name"], piece["args"])
        else:
            for call in [*message.tool_calls, *message.invalid_tool_calls]:
                arguments = (
                    call["args"] if isinstance(call["args"], str) else json.dumps(call["args"], ensure_ascii=False)
                )
                yield from self._grow(self._new_call(call["id"], None), call["name"], arguments)
        if message.usage_metadata:
            self.usage = add_usage(self.usage, message.usage_metadata)

    @property
    def begun(self) -> bool:
        """Whether anything of it came."""
        return self._metadata is not None

    def asked(self, call_id: str) -> bool:
        """Say whether it contains a call."""
        return any(call.id == call_id for call in self._calls)

    def close(self) -> Iterator[Step]:
        """Say that the message is whole; its cost stands at the last of ours."""
        usage = dict(self.usage) if self.usage else None
        calls, self._calls = self._calls, []
        if self._speaking is not None:
            yield from self._silence(None if calls else usage)
        for call in calls:
            if convert := self._converters.get("tool_call"):
                yield from self._parts.put(convert({"type": "tool_call", **call.data()}), call.key)
            yield Close(call.key, usage if call is calls[-1] else None)

    def _block(self, block: Block) -> Iterator[Step]:
        kind = MessageType.MESSAGE
        part: Any = text_in(block)
        if part is None and (part := thought_in(block)) is not None:
            kind = MessageType.REASONING
        elif part is None:
            part = content_in(block)
        if convert := self._converters.get(block["type"]):
            part = convert(block)
        if part is None or part == "":
            return
        if isinstance(part, Message):
            yield from self._silence()
            yield from self._parts.put(part, self._key)
            return
        key = (kind, self._key)
        if self._speaking != key:
            yield from self._silence()
            yield Open(key, kind, metadata=self._metadata)
            self._speaking = key
        yield from self._parts.put(part, key)

    def _silence(self, usage: dict[str, Any] | None = None) -> Iterator[Step]:
        if self._speaking is not None:
            yield Close(self._speaking, usage)
        self._speaking = None

    def _call_of(self, piece: Mapping[str, Any]) -> _Call:
        """Return the call that a piece belongs to.

        By the index; a new id under an old index is another call, as some providers count. A piece that has neither
        continues what came last.
        """
        id, index = piece.get("id") or None, piece.get("index")
        for call in reversed(self._calls):
            if (id is None and index is None) or (call.index == index and (id is None or call.id in (None, id))):
                call.id = call.id or id
                return call
        return self._new_call(id, index)

    def _new_call(self, id: str | None, index: int | str | None) -> _Call:
        call = _Call((MessageType.PLUGIN_CALL, self._key, len(self._calls)), id, index)
        self._calls.append(call)
        return call

    def _grow(self, call: _Call, name: str | None, arguments: str | None) -> Iterator[Step]:
        yield from self._silence()
        call.name = call.name or name or ""  # some providers repeat it in every piece
        call.arguments += arguments or ""
        if "tool_call" in self._converters:
            return  # it is converted when it is whole
        yield Open(call.key, MessageType.PLUGIN_CALL, metadata=self._metadata)
        yield Data(call.key, call.data())
