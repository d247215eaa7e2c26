"""A sandbox's method as a tool of an agent, as far as all frameworks need the same.

    tool = SandboxTool(box.browser_navigate)
    tool.name, tool.description, tool.arguments   # what a model is told
    outcome = await tool.call_async(url="https://example.com")

Any other function works, too. Not here: the frameworks' own tools, which are made of this (`<framework>.tool`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from pydantic import BaseModel

from agentscope_runtime.adapters.functions import arguments_model, description_of, inner_of
from agentscope_runtime.adapters.media import Medium
from agentscope_runtime.engine.serialization import to_json

MOST_CALLS = 256
"""Functions that block, run at the same time, each in a thread that mostly waits for its sandbox; more wait."""

CELL = "cell://"
"""What the addresses of a cell's rich output begin with. Its pages and drawings are for people: what a model can read
of them is the plain text beside them, and the code that it wrote itself."""

_turns: RunVar[CapacityLimiter] = RunVar("turns of tools that block")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool gave."""

    parts: tuple[str | Medium, ...] = ()
    """What it said, pictures and sounds, in their order."""
    failed: bool = False
    """Whether what it says is why it failed."""
    meta: Any = None
    """What it says of the result."""

    @property
    def text(self) -> str:
        """What it said, for those who only read; a picture is mentioned."""
        return "\n".join(part if isinstance(part, str) else f"[{part.media_type}]" for part in self.parts)

    @property
    def images(self) -> tuple[Medium, ...]:
        """The pictures."""
        return tuple(part for part in self.parts if isinstance(part, Medium) and part.kind == "image")


class SandboxTool:
    """A function, usually a sandbox's method, sync or async, with what a model is told about it."""

    def __init__(
        self, function: Callable[..., Any], *, name: str | None = None, description: str | None = None
    ) -> None:
        """Describe the tool; name and description are those of the function where they are not given."""
        self.function = function
        self.name = name or _name_of(function)
        self.description = description_of(function) if description is None else description
        self.is_async = inspect.iscoroutinefunction(inner_of(function))

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

    async def call_async(self, *values: Any, **arguments: Any) -> Outcome:
        """Run it; a function that blocks does so in a thread of its own."""
        return outcome_of(await self.result_of(*values, **arguments))

    async def result_of(self, *values: Any, **arguments: Any) -> Any:
        """Do the same, and return what it returned."""
        if self.is_async:
            return await self.function(*values, **arguments)
        call = partial(self.function, *values, **arguments)
        # A cancelled run does not wait for the tool: the sandbox may take a minute, and the user pressed stop.
        result = await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=_limiter())
        return await result if inspect.isawaitable(result) else result


def outcome_of(result: Any) -> Outcome:
    """Read what a tool returned: a sandbox's result by its parts, everything else as text or JSON."""
    if isinstance(result, BaseModel):
        result = result.model_dump(mode="json", by_alias=True)
    if isinstance(result, Mapping) and isinstance(result.get("content"), list):
        parts = tuple(part for item in result["content"] if isinstance(item, Mapping) and (part := _part(item)))
        failed = bool(result.get("isError"))
        silent = failed and not parts
        return Outcome(("the tool failed, and did not say why",) if silent else parts, failed, result.get("meta"))
    return Outcome((result if isinstance(result, str) else to_json(result),))


def _part(item: Mapping[str, Any]) -> str | Medium:
    """Return a part of a tool's result, which comes in the form of MCP."""
    match item:
        case {"type": "resource", "resource": {"uri": str(uri), "mimeType": "text/html" | "image/svg+xml" as kind}} if (
            uri.startswith(CELL)
        ):
            return f"[{kind}]"
        case {"type": "text", "text": str(text)} | {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "image" | "audio" as kind, "data": str(data)}:
            return Medium(item.get("mimeType") or f"{kind}/{'png' if kind == 'image' else 'wav'}", data)
        case {"type": "image", "mimeType": str(media_type)}:
            return f"[{media_type}]"
        case {"type": "image"}:
            return "[image]"
    return to_json(item)


def _limiter() -> CapacityLimiter:
    """Return what all tools of this event loop share; anyio's own, forty, is shared with everything else, too."""
    try:
        return _turns.get()
    except LookupError:
        _turns.set(limiter := CapacityLimiter(MOST_CALLS))
        return limiter


def _name_of(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, partial) else function
    return getattr(inner, "__name__", None) or type(inner).__name__
