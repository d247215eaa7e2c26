"""Listing and running tools."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import JSON, Call, at, check_seconds, dump, read_object
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.types import ToolResult


def list_tools(sandbox_id: str) -> Call[wire.ToolList]:
    """List the tools of one sandbox."""
    return Call(f"list the tools of {sandbox_id}", "GET", at(sandbox_id, "tools"), wire.ToolList.model_validate_json)


def call_tool(
    sandbox_id: str, name: str, arguments: Mapping[str, Any], timeout: float | None = None
) -> Call[ToolResult]:
    """Run a tool, with the seconds it may take; the tool's own default where None.

    The call can be sent again: the sandbox knows it by its key, and makes it once.
    """
    if not name:
        raise InvalidRequest("the tool's name is empty; list_tools() has the names")
    if timeout is not None:
        check_seconds("timeout", timeout, 3600)
    body: dict[str, Any] = {"arguments": arguments}
    if timeout is not None:
        body["timeout"] = timeout
    what, path = f"run tool {name!r} in {sandbox_id}", at(sandbox_id, "tools", name)
    return Call(what, "POST", path, read_object, dump(body), JSON, timeout, key=secrets.token_urlsafe(16))
