"""What a tool looks like from outside: its name, its arguments as JSON schema, what it answers and how it fails.

Data only, and cheap to import: the reference page is made of the same specs that the box serves. What runs a tool is in
the part that brings it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox_server.parts import Arguments, Result, Tool

Schema = dict[str, Any]

TIMED_OUT = "Its time-out passed."


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """One tool; names of arguments are camelCase as in MCP, and are taken in Python's spelling, too."""

    name: str
    group: str
    """The server it belongs to in list_tools: `generic`, `filesystem`, …"""
    description: str
    """For the model that chooses among the tools: what it does, and what it answers."""
    required: dict[str, Schema] = field(default_factory=dict)
    optional: dict[str, Schema] = field(default_factory=dict)
    """What may be left out; null means the same as leaving it out. `default` says what is taken then."""
    returns: str = ""
    """For the reference: the items of a good result."""
    fails: tuple[str, ...] = ()
    """For the reference: when the result has `isError`, a sentence each."""

    def schema(self) -> Schema:
        """Return the JSON schema of its arguments."""
        return {
            "type": "object",
            "properties": {**self.required, **{name: _or_null(schema) for name, schema in self.optional.items()}},
            "required": list(self.required),
            "additionalProperties": False,
        }

    def aliases(self) -> dict[str, str]:
        """Return the arguments' names by how Python spells them, where that differs."""
        names = (*self.required, *self.optional)
        spelled = {re.sub(r"[A-Z]", lambda c: f"_{c[0].lower()}", name): name for name in names}
        return {spelling: name for spelling, name in spelled.items() if spelling != name}

    def tool(self, call: Callable[[Arguments, float | None], Awaitable[Result]]) -> Tool:
        """Make the tool that `call` runs; arguments that are null do not reach it."""

        async def run(arguments: Arguments, timeout_s: float | None) -> Result:
            return await call({name: value for name, value in arguments.items() if value is not None}, timeout_s)

        return Tool(self.name, self.group, self.description, self.schema(), run, self.aliases())


def _or_null(schema: Schema) -> Schema:
    """Return the schema of an argument that may be null, too; null must then be among its choices."""
    choices = {"enum": [*schema["enum"], None]} if None not in schema.get("enum", [None]) else {}
    return {**schema, "type": [schema["type"], "null"], **choices}


def string(description: str, **more: Any) -> Schema:
    """Describe an argument that is text."""
    return {"type": "string", "description": description, **more}


def flag(description: str, **more: Any) -> Schema:
    """Describe an argument that is true or false."""
    return {"type": "boolean", "description": description, **more}


def strings(description: str, **more: Any) -> Schema:
    """Describe an argument that is a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "description": description, **more}


def texts_by_name(description: str, pattern: str, **more: Any) -> Schema:
    """Describe an argument that is an object of texts, whose names match a pattern."""
    members = {"propertyNames": {"pattern": pattern}, "additionalProperties": {"type": "string"}}
    return {"type": "object", **members, "description": description, **more}


def number(kind: str, description: str, minimum: int, **more: Any) -> Schema:
    """Describe an argument that is an `integer` or a `number` from `minimum` on."""
    return {"type": kind, "minimum": minimum, "description": description, **more}
