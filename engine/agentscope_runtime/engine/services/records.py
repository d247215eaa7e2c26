"""What is kept of a state or a message: its JSON, as bytes, the same in memory and in Redis.

So whoever takes something out has a copy, its size is known, and what one backend accepts the other does, too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from agentscope_runtime.engine.errors import NotStorable
from agentscope_runtime.engine.schemas.message import Message

MOST_BYTES = 16 * 1024 * 1024
"""How large one state or one message may be; pictures within messages are a few MiB."""

AT_A_TIME = 100
"""Messages that are read before others have their turn: a millisecond's worth."""

Given: TypeAlias = Message | Mapping[str, Any]
"""A message, or its fields."""


def from_state(state: Mapping[str, Any]) -> bytes:
    """Return the record of a state.

    Raises:
        NotStorable: it holds what JSON has no word for, or is too large.
    """
    if not isinstance(state, Mapping):
        raise NotStorable(f"a state is a dict of JSON values, and not {type(state).__name__}")
    try:
        text = json.dumps(state, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotStorable(f"the state is not JSON: {error}") from error
    try:
        record = text.encode()
    except UnicodeEncodeError:  # half a character, as models sometimes break one off
        record = json.dumps(state, default=_as_plain).encode()
    return _checked(record, "the state")


def to_state(record: bytes | str) -> dict[str, Any]:
    """Return the state of a record."""
    state: dict[str, Any] = json.loads(record)
    return state


def normal(given: Given | Iterable[Given | None] | None) -> list[Message]:
    """Return messages that were given in any form, one or many, as messages.

    Raises:
        NotStorable: something is no message.
    """
    many = [given] if given is None or isinstance(given, Message | Mapping) else given
    try:
        return [one if isinstance(one, Message) else Message.model_validate(one) for one in many if one is not None]
    except (ValidationError, TypeError) as error:
        raise NotStorable(f"this is no message: {error}") from error


def from_message(message: Message) -> bytes:
    """Return the record of a message.

    Raises:
        NotStorable: its data or metadata hold what JSON has no word for, or it is too large.
    """
    try:
        return _checked(message.model_dump_json().encode(), f"message {message.id}")
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise NotStorable(f"message {message.id} is not JSON: {error}") from error


def to_message(record: bytes | str) -> Message:
    """Return the message of a record."""
    return Message.model_validate_json(record)


async def to_messages(kept: Iterable[bytes | str]) -> AsyncIterator[Message]:
    """Return the messages of records, and let others have their turn between them."""
    for place, record in enumerate(kept):
        if place % AT_A_TIME == AT_A_TIME - 1:
            await asyncio.sleep(0)
        yield to_message(record)


def _as_plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON; save what it consists of")


def _checked(record: bytes, what: str) -> bytes:
    if len(record) > MOST_BYTES:
        raise NotStorable(f"{what} has {len(record)} bytes; at most {MOST_BYTES} are kept")
    return record
