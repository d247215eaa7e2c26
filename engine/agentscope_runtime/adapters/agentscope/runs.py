"""What of a Msg is a message of its own for clients: runs of its blocks, and what is told of them.

A Msg may hold thoughts, text, calls of tools and their results; clients know a type of message for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agentscope.message import Msg

from agentscope_runtime.adapters.agentscope.blocks import (
    Block,
    FailedBlocks,
    arguments_of,
    as_part,
    blocks_in,
    output_of,
    whole_arguments_of,
)
from agentscope_runtime.engine.schemas.content import Content, DataContent, TextContent
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.serialization import to_jsonable

CALLS = frozenset(
    {MessageType.PLUGIN_CALL, MessageType.FUNCTION_CALL, MessageType.COMPONENT_CALL, MessageType.MCP_TOOL_CALL}
)
RESULTS = frozenset(
    {
        MessageType.PLUGIN_CALL_OUTPUT,
        MessageType.FUNCTION_CALL_OUTPUT,
        MessageType.COMPONENT_CALL_OUTPUT,
        MessageType.MCP_TOOL_CALL_OUTPUT,
    }
)

FLOWING = frozenset({MessageType.MESSAGE, MessageType.REASONING})
"""Types of messages that several blocks make up together, and that grow as they are written."""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring blocks that are one message for clients."""

    kind: str
    """The type of the message; calls and results of tools stand alone."""
    number: int
    """Which of this kind it is within its Msg: what comes before it may still be inserted while it is streamed."""
    blocks: list[Block]

    @property
    def failed(self) -> bool:
        """Whether it is the result of a tool that failed."""
        return self.kind in RESULTS and isinstance(self.blocks[0].get("output"), FailedBlocks)


def runs_of(blocks: Iterable[Block], alone: Container[str] = ()) -> list[Run]:
    """Divide the blocks of a Msg into what are single messages for clients.

    Args:
        blocks: The content of a Msg.
        alone: Types of blocks that are runs by themselves; their type is the kind.
    """
    runs: list[Run] = []
    numbers: Counter[str] = Counter()
    for block in blocks:
        kind = block["type"] if block.get("type") in alone else kind_of(block)
        if runs and runs[-1].kind == kind and kind in FLOWING:
            runs[-1].blocks.append(block)
            continue
        runs.append(Run(kind, numbers[kind], [block]))
        numbers[kind] += 1
    return runs


def kind_of(block: Block) -> str:
    """Return the type of the message that a block belongs to; calls of MCP tools are known by `tool_type`."""
    kind, by_mcp = block.get("type"), block.get("tool_type") == "mcp"
    if kind == "tool_use":
        return MessageType.MCP_TOOL_CALL if by_mcp else MessageType.PLUGIN_CALL
    if kind == "tool_result":
        return MessageType.MCP_TOOL_CALL_OUTPUT if by_mcp else MessageType.PLUGIN_CALL_OUTPUT
    return MessageType.REASONING if kind == "thinking" else MessageType.MESSAGE


def role_in(kind: str, role: str) -> str:
    """Return who says a message of a kind that is part of a Msg of this role."""
    if kind in RESULTS:
        return Role.TOOL
    return role if kind == MessageType.MESSAGE else Role.ASSISTANT


def origin_of(msg: Msg) -> dict[str, Any]:
    """Return the metadata by which the messages of a Msg are known."""
    return {"original_id": msg.id, "original_name": msg.name, "original_metadata": to_jsonable(msg.metadata or {})}


def metadata_of(msg: Msg, run: Run) -> dict[str, Any]:
    """Return the metadata of the message that a run of a Msg is."""
    return origin_of(msg) | ({"status": "error"} if run.failed else {})


def call_data(block: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
    """Return what clients are told of a tool's call."""
    arguments = whole_arguments_of(block) if whole else arguments_of(block)
    return {"call_id": block.get("id"), "name": block.get("name"), "arguments": arguments} | _label(block)


def result_data(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return what clients are told of a tool's result; pictures and the like are parts beside it."""
    return {"call_id": block.get("id"), "name": block.get("name"), "output": output_of(block)} | _label(block)


def result_media(block: Mapping[str, Any]) -> list[Content]:
    """Return the parts that stand beside a tool's result."""
    output = block.get("output")
    parts = [as_part(inner) for inner in blocks_in(output)] if isinstance(output, list) else []
    return [part for part in parts if not isinstance(part, TextContent | DataContent)]


def _label(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"server_label": block.get("server_label")} if block.get("tool_type") == "mcp" else {}
