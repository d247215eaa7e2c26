"""What a sandbox is made of: parts that start, say when they are ready, and bring tools.

The app composes the parts of its sandbox type and knows nothing else about them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from aiohttp import web

Result = dict[str, Any]
"""An MCP CallToolResult as plain JSON: `{"meta": None, "content": [...], "isError": bool}`."""

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: what it is called, what it takes, and what runs it."""

    name: str
    group: str
    """The server it belongs to in list_tools: `generic`, `playwright`, …"""
    description: str
    input_schema: dict[str, Any]
    """JSON schema of the arguments: an object with `properties` and `required`."""
    call: Callable[[Arguments, float | None], Awaitable[Result]]
    """Runs it with valid arguments and a time-out in seconds (None: the tool's own)."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other spellings of its arguments: spelling → name in the schema."""
    output_schema: dict[str, Any] | None = None
    """JSON schema of the result's `structuredContent`, where it has one."""
    other_names: Sequence[str] = ()
    """What it may be called as well; it is listed once."""


class PartFailed(Exception):
    """A part ended for good; the message says why, with the tail of its log."""


class Part(Protocol):
    """A helper of the sandbox with a life of its own."""

    name: str

    async def start(self) -> None:
        """Begin to start; return soon, `ready` waits."""

    async def ready(self) -> None:
        """Return once it works, may be called often; raise PartFailed if it never will."""

    def tools(self) -> Sequence[Tool]:
        """Return the tools it brings; complete from the beginning."""

    def log_tail(self) -> str:
        """Return the end of what its process printed; "" where it has none, or nothing to say."""

    async def close(self) -> None:
        """End it and everything it started."""


@runtime_checkable
class Reachable(Protocol):
    """A part that has routes of its own, beside its tools."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Return them; import aiohttp no earlier than here, parts are made before the server's long imports."""


@runtime_checkable
class Host(Protocol):
    """A part whose tools come and go, beside those that it brings from the beginning."""

    def hosted(self, taken: Collection[str]) -> Mapping[str, Tool]:
        """Return them as they are now, by each name they answer to, none of which is taken.

        One is listed under its own name. Its arguments are checked by whoever runs it.
        """


def text(value: str, description: str | None = None) -> dict[str, Any]:
    """Make one text item of a result."""
    item: dict[str, Any] = {"type": "text", "text": value, "annotations": None}
    return item if description is None else {**item, "description": description}


def image(data: str, mime_type: str) -> dict[str, Any]:
    """Make one image item of a result; `data` is base64."""
    return {"type": "image", "data": data, "mimeType": mime_type, "annotations": None}


def resource(uri: str, mime_type: str, value: str) -> dict[str, Any]:
    """Make one item of a result that is text of a kind of its own, such as HTML."""
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": value}, "annotations": None}


def result(*content: dict[str, Any], is_error: bool = False) -> Result:
    """Make a result of these items, in this order."""
    return {"meta": None, "content": list(content), "isError": is_error}
