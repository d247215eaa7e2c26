"""Tools as requests describe them, and calls of tools as messages carry them in their data."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from agentscope_runtime.engine.schemas.limits import limited

MOST_REQUIRED = 10_000
"""Parameters that a function must have: far more than any function takes."""


class FunctionParameters(BaseModel):
    """The JSON schema of what a function takes; what else JSON schemas know is kept."""

    model_config = ConfigDict(extra="allow")

    type: str = "object"
    properties: dict[str, Any] = {}
    required: Annotated[list[str], limited(MOST_REQUIRED)] | None = None


class FunctionTool(BaseModel):
    """A function that a model may call, and what else is said of it."""

    model_config = ConfigDict(extra="allow")

    name: str
    description: str = ""
    parameters: FunctionParameters = FunctionParameters()


class Tool(BaseModel):
    """A tool that a model may use; those that are no functions have fields of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = "function"
    function: FunctionTool | None = None


class FunctionCall(BaseModel):
    """A model asks for a function; the arguments are JSON, as far as they have come."""

    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class FunctionCallOutput(BaseModel):
    """What a function returned, as JSON or text."""

    call_id: str | None = None
    name: str | None = None
    output: str | None = None


class ToolCall(FunctionCall):
    """A model asks for a tool."""


class ToolCallOutput(FunctionCallOutput):
    """What a tool returned."""


class McpCall(FunctionCall):
    """A model asks for a tool of an MCP server."""

    server_label: str | None = None


class McpCallOutput(FunctionCallOutput):
    """What a tool of an MCP server returned."""

    server_label: str | None = None


class McpListToolsTool(BaseModel):
    """One tool of an MCP server."""

    name: str
    input_schema: dict[str, Any] = {}
    description: str | None = None
    annotations: dict[str, Any] | None = None


class McpListTools(BaseModel):
    """The tools of an MCP server."""

    id: str
    server_label: str
    tools: list[McpListToolsTool] = []
    error: str | None = None


class McpApprovalRequest(BaseModel):
    """A call that a person has to allow."""

    id: str
    arguments: str
    name: str
    server_label: str


class McpApprovalResponse(BaseModel):
    """What the person said."""

    approval_request_id: str
    approve: bool
    id: str | None = None
    reason: str | None = None
