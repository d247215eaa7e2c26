"""What a handler may yield whatever its framework is: text, messages, parts of messages, and data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from itertools import count
from typing import Any

from pydantic import BaseModel

from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.content import Content, DataContent, TextContent
from agentscope_runtime.engine.schemas.kinds import Role
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.serialization import to_jsonable
from agentscope_runtime.engine.steps import Close, Key, Open, Step, Text, Whole

EXPECTED = "str (text that is added), Message, a Content such as ImageContent, dict or a pydantic model (data)"

SAID = "said"
"""The key of the message that bare text and parts go into."""


class TextTranslator:
    """Turns a handler's own words into steps: bare text and parts flow into one message, ready messages stay whole."""

    def __init__(self, converters: Converters | None = None, expected: str = EXPECTED) -> None:
        """Begin a response.

        Args:
            converters: Functions that make one of the above of an output, by the name of its class.
            expected: What handlers may yield, for the message of the error when they yield something else.
        """
        self._converters = converters or {}
        self._expected = expected
        self._numbers = count()
        self._parts: dict[Key, int] = {}  # messages that are open here, and the number of the part they are at

    def take(self, output: Any) -> list[Step]:
        """Return what an output says.

        Raises:
            UnusableOutput: it says nothing that we understand.
        """
        if self._converters and (convert := self._converters.get(type(output).__name__)):
            output = convert(output)
        return self.put(output, SAID)

    def put(self, output: Any, key: Key) -> list[Step]:
        """Return what an output says when its text and parts belong to the message `key`; ready messages do not."""
        if isinstance(output, TextContent):
            output = output.text
        if isinstance(output, str):
            return [Text(key, output, self._parts.setdefault(key, 0))] if output else []
        if output is None:
            return []
        if isinstance(output, Message):
            return list(self._message(output))
        if isinstance(output, list):
            return [step for item in output for step in self.put(item, key)]
        return self._whole(self._part(output), key)

    def finish(self) -> list[Step]:
        """Return the closing of what is open; text that comes later begins a new message."""
        keys, self._parts = list(self._parts), {}
        return [Close(key) for key in keys]

    def _part(self, output: Any) -> Content:
        if isinstance(output, Content):
            return output
        if isinstance(output, Mapping | BaseModel) or (is_dataclass(output) and not isinstance(output, type)):
            return DataContent(data=to_jsonable(output))
        raise UnusableOutput(f"the handler yielded {_described(output)}; it may yield {self._expected}")

    def _whole(self, content: Content, key: Key) -> list[Step]:
        # Text that follows is a part of its own: it comes after this one.
        self._parts[key] = self._parts.get(key, 0) + 1
        return [Whole(key, content)]

    def _message(self, message: Message) -> Iterable[Step]:
        yield from self.finish()
        key = ("message", next(self._numbers))
        yield Open(key, message.type, message.role or Role.ASSISTANT, message.metadata, message.id)
        for number, part in enumerate(message.content or ()):
            if isinstance(part, TextContent):
                yield Text(key, part.text or "", number)
            else:
                yield Whole(key, part)
        yield Close(key, message.usage)


def _described(output: Any) -> str:
    shown = repr(output)
    return f"{type(output).__name__} {shown if len(shown) <= 80 else shown[:80] + '…'}"
