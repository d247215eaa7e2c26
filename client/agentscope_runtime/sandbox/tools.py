"""The shapes around tools: how a listing is grouped, and how a method's arguments become a tool's.

The tools themselves run in the box; their methods are in `_async`.
"""

from __future__ import annotations

from typing import Any

from agentscope_runtime.sandbox.wire import ToolInfo, ToolList


def grouped(listing: ToolList, tool_type: str | None = None) -> dict[str, dict[str, Any]]:
    """Return tools by group and name, each with the schema that model providers take.

    Args:
        listing: What the sandbox answered.
        tool_type: Only this group; one that the sandbox lacks is empty.
    """
    groups: dict[str, dict[str, Any]] = {} if tool_type is None else {tool_type: {}}
    for tool in listing.tools:
        if tool_type in (None, tool.group):
            groups.setdefault(tool.group, {})[tool.name] = _described(tool)
    return groups


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that say something: neither None nor an empty text."""
    return {name: value for name, value in arguments.items() if value is not None and value != ""}


def _described(tool: ToolInfo) -> dict[str, Any]:
    schema = tool.input_schema
    parameters = {"type": "object", "properties": {}, "required": [], **schema}
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"name": tool.name, "json_schema": {"type": "function", "function": function}}
