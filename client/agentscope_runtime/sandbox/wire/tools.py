"""Tools, and calls of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from agentscope_runtime.sandbox.wire.base import Request, Wire


class ToolCall(Request):
    """Body of `POST /v1/sandboxes/{id}/tools/{name}`."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    timeout: Annotated[float, Field(gt=0, le=3600)] | None = None
    """Seconds; the tool's own default where None."""


class ToolInfo(Wire):
    """One tool of a sandbox."""

    name: str
    group: str
    """The server it belongs to in the contract: `generic`, `playwright`, …"""
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    """JSON schema of the result's `structuredContent`; None where it has none."""


class ToolList(Wire):
    """Answer of `GET /v1/sandboxes/{id}/tools`."""

    tools: list[ToolInfo]
