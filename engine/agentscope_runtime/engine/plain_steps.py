"""What adapters and handlers said, as JSON can say it: once, before anything of it is told.

A stream tells everything twice, as it happens and whole at the end, and both must be the same. So nothing goes into it
that could fail to be written, or be written in two ways: data and metadata are plain copies, and text is whole
characters. What cannot be made so fails here, where the handler gets the blame and the stream can still say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import from_json
from pydantic_core import to_json as write_json

from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.schemas.content import AgentContent, Content, TextContent
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.serialization import to_jsonable, to_text
from agentscope_runtime.engine.steps import Data, Open, Step, Text, Used, Whole

_TYPES = frozenset(MessageType.all_values())
_ROLES = frozenset((Role.ASSISTANT, Role.USER, Role.SYSTEM, Role.TOOL))
_CONTENTS: tuple[type[Content], ...] = get_args(get_args(AgentContent)[0])
_OF_THE_STREAM = frozenset(Content.model_fields) - {"type"}


def plain_step(step: Step) -> Step:
    """Return a step in which everything is JSON.

    Raises:
        UnusableOutput: something in it is not, and cannot be made so.
    """
    if isinstance(step, Text):
        return step if step.text.isascii() else replace(step, text=to_text(step.text))
    if isinstance(step, Data):
        return replace(step, data=object_of(step.data, "the data of a message"))
    if isinstance(step, Whole):
        return replace(step, content=_content(step.content))
    if isinstance(step, Open):
        return _opening(step)
    if isinstance(step, Used):
        return replace(step, usage=object_of(step.usage, "usage"))
    return replace(step, usage=_object_or_none(step.usage, "usage"))


def _opening(step: Open) -> Open:
    if step.type not in _TYPES:
        raise UnusableOutput(f"a message has the type {step.type!r}; it may be one of {', '.join(sorted(_TYPES))}")
    if step.role not in _ROLES:
        raise UnusableOutput(f"a message has the role {step.role!r}; it may be one of {', '.join(sorted(_ROLES))}")
    id = None if step.id is None else to_text(str(step.id))
    return replace(step, metadata=_object_or_none(step.metadata, "the metadata of a message"), id=id)


def _content(content: Content) -> Content:
    """Return a part with only its own fields, each of the kind that it must be."""
    if not isinstance(content, _CONTENTS):
        kinds = ", ".join(kind.__name__ for kind in _CONTENTS)
        raise UnusableOutput(f"a part of a message is {type(content).__name__} {content.type!r}; it may be {kinds}")
    own = {name: value for name, value in content if name not in _OF_THE_STREAM}
    if isinstance(content, TextContent):
        own["text"] = content.text or ""
    what = f"a part of a message, {type(content).__name__},"
    try:
        return type(content).model_validate(object_of(own, what))
    except ValidationError as error:
        wrong = ", ".join(str(told["loc"][0]) if told["loc"] else told["msg"] for told in error.errors())
        raise UnusableOutput(f"{what} has values that it cannot have: {wrong}") from error


def _object_or_none(value: Any, what: str) -> dict[str, Any] | None:
    return None if value is None else object_of(value, what)


def object_of(value: Any, what: str) -> dict[str, Any]:
    """Return an object of JSON that shares nothing with the value.

    Args:
        value: A mapping, or what describes itself as one.
        what: What it is, for the message of the error.

    Raises:
        UnusableOutput: it is none.
    """
    try:
        plain = _plain(value)
    except Exception as error:  # whatever users' objects raise when they are asked what they are
        raise UnusableOutput(f"{what} cannot be written as JSON: {type(error).__name__}") from error
    if not isinstance(plain, Mapping):
        raise UnusableOutput(f"{what} is {type(value).__name__}; it must be a dict")
    return dict(plain)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, quickly if it nearly is JSON."""
    try:
        return from_json(write_json(value, inf_nan_mode="null"))
    except ValueError:  # something that JSON does not know, half a character, or too deep
        return to_jsonable(value)
