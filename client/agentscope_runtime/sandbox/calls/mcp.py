"""Sandboxes as MCP servers."""

from __future__ import annotations

from agentscope_runtime.sandbox.calls.base import JSON, Call, at

LONGEST = 3600.0
"""Seconds: tools have their own time-outs, so this only ends what would hang."""


def mcp_message(sandbox_id: str, body: bytes) -> Call[bytes]:
    """Pass on one message of an MCP client; the answer is another one, or nothing."""
    what = f"pass an MCP message to {sandbox_id}"
    # On a pipe there is no status beside an answer.
    return Call(what, "POST", at(sandbox_id, "mcp") + "?stdio=true", bytes, body, JSON, LONGEST, idempotent=False)
