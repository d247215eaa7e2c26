"""The words that schemas use for types, roles and states.

Classes of plain strings instead of enums: users compare them with what JSON holds, and add words of their own.
"""

from __future__ import annotations

from typing import Final


class MessageType:
    """What a message is about."""

    MESSAGE: Final = "message"
    FUNCTION_CALL: Final = "function_call"
    FUNCTION_CALL_OUTPUT: Final = "function_call_output"
    PLUGIN_CALL: Final = "plugin_call"
    PLUGIN_CALL_OUTPUT: Final = "plugin_call_output"
    COMPONENT_CALL: Final = "component_call"
    COMPONENT_CALL_OUTPUT: Final = "component_call_output"
    MCP_LIST_TOOLS: Final = "mcp_list_tools"
    MCP_APPROVAL_REQUEST: Final = "mcp_approval_request"
    MCP_TOOL_CALL: Final = "mcp_call"
    MCP_APPROVAL_RESPONSE: Final = "mcp_approval_response"
    MCP_TOOL_CALL_OUTPUT: Final = "mcp_call_output"
    REASONING: Final = "reasoning"
    HEARTBEAT: Final = "heartbeat"
    ERROR: Final = "error"
    A2UI_RESPONSE: Final = "a2ui_response"
    A2UI_ACTION: Final = "a2ui_action"

    @classmethod
    def all_values(cls) -> list[str]:
        """Return every type, in the order above."""
        return [value for name, value in vars(cls).items() if name.isupper()]


class ContentType:
    """What a part of a message holds."""

    TEXT: Final = "text"
    DATA: Final = "data"
    IMAGE: Final = "image"
    AUDIO: Final = "audio"
    FILE: Final = "file"
    REFUSAL: Final = "refusal"
    VIDEO: Final = "video"


class Role:
    """Who speaks."""

    ASSISTANT: Final = "assistant"
    USER: Final = "user"
    SYSTEM: Final = "system"
    TOOL: Final = "tool"


class RunStatus:
    """How far a response, a message or a part of one has come."""

    Created: Final = "created"
    InProgress: Final = "in_progress"
    Completed: Final = "completed"
    Canceled: Final = "canceled"
    Failed: Final = "failed"
    Rejected: Final = "rejected"
    Unknown: Final = "unknown"
    Queued: Final = "queued"
    Incomplete: Final = "incomplete"
