"""A sandbox's method as a tool of an agent, as far as all frameworks need the same.

    tool = SandboxTool(box.browser_navigate)
    tool.name, tool.description, tool.arguments   # what a model is told
    outcome = await tool.call_async(url="https://example.com")

Any other function works, too. Not here: the frameworks' own tools, which are made of this (`<framework>.tool`).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from pydantic import BaseModel

from agentscope_runtime.adapters.functions import arguments_model, description_of
from agentscope_runtime.adapters.media import UNKNOWN, Medium
from agentscope_runtime.engine.serialization import to_json


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool gave."""

    text: str
    """What it said; a picture is mentioned."""
    images: tuple[Medium, ...] = ()
    failed: bool = False
    """Whether what it says is why it failed."""


class SandboxTool:
    """A function, usually a sandbox's method, sync or async, with what a model is told about it."""

    def __init__(
        self, function: Callable[..., Any], *, name: str | None = None, description: str | None = None
    ) -> None:
        """Describe the tool; name and description are those of the function where they are not given."""
        self.function = function
        self.name = name or _name_of(function)
        self.description = description_of(function) if description is None else description
        self.is_async = _is_async(function)

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """What it takes, as a model."""
        return arguments_model(self.function, self.name)

    def call(self, **arguments: Any) -> Outcome:
        """Run it here, which blocks for as long as it takes.

        Raises:
            TypeError: it is asynchronous.
        """
        if self.is_async:
            raise TypeError(f"the tool {self.name} is asynchronous: run the agent by its asynchronous methods")
        return outcome_of(self.function(**arguments))

    async def call_async(self, **arguments: Any) -> Outcome:
        """Run it; a function that blocks does so in a thread of its own."""
        if self.is_async:
            return outcome_of(await self.function(**arguments))
        import anyio.to_thread

        # A cancelled run does not wait for the tool: the sandbox may take a minute, and the user pressed stop.
        result = await anyio.to_thread.run_sync(partial(self.function, **arguments), abandon_on_cancel=True)
        return outcome_of(await result if inspect.isawaitable(result) else result)


def outcome_of(result: Any) -> Outcome:
    """Read what a tool returned: a sandbox's result by its parts, everything else as text or JSON."""
    if isinstance(result, Mapping) and isinstance(result.get("content"), list):
        parts = [part for part in result["content"] if isinstance(part, Mapping)]
        images = tuple(image for part in parts if (image := _image(part)) is not None)
        text = "\n".join(filter(None, map(_text, parts)))
        return Outcome(text, images, bool(result.get("isError")))
    return Outcome(result if isinstance(result, str) else to_json(result))


def _text(part: Mapping[str, Any]) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image", "mimeType": str(media_type)}:
            return f"[{media_type}]"
        case {"type": "image"}:
            return "[image]"
    return json.dumps(part, ensure_ascii=False, default=str)


def _image(part: Mapping[str, Any]) -> Medium | None:
    if part.get("type") != "image" or not isinstance(part.get("data"), str):
        return None
    return Medium(part.get("mimeType") or UNKNOWN, part["data"])


def _name_of(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, partial) else function
    return getattr(inner, "__name__", None) or type(inner).__name__


def _is_async(function: Callable[..., Any]) -> bool:
    inner = function.func if isinstance(function, partial) else function
    if not (inspect.isroutine(inner) or inspect.isclass(inner)):
        inner = type(inner).__call__  # an object that can be called
    return inspect.iscoroutinefunction(inner)
