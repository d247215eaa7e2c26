"""Terminals: starting them, and links that show them."""

from __future__ import annotations

from collections.abc import Mapping

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import JSON, Call, at, dump


def start_terminal(
    sandbox_id: str, command: str | None = None, cwd: str | None = None, environment: Mapping[str, str] | None = None
) -> Call[wire.TerminalInfo]:
    """Start a terminal; the size is its first viewer's."""
    given = {"command": command, "cwd": cwd, "environment": environment and dict(environment)}
    body = dump({name: value for name, value in given.items() if value is not None})
    what, where = f"start a terminal in {sandbox_id}", at(sandbox_id, "terminals")
    return Call(what, "POST", where, wire.TerminalInfo.model_validate_json, body, JSON, idempotent=False)


def terminal_link(sandbox_id: str, terminal_id: str | None = None, control: bool = True) -> Call[wire.TerminalLink]:
    """Make a link that opens a terminal once; the sandbox's main one if none is named."""
    body = dump({"terminal_id": terminal_id, "control": control})
    what, where = f"open a terminal of {sandbox_id}", at(sandbox_id, "terminal")
    return Call(what, "POST", where, wire.TerminalLink.model_validate_json, body, JSON)
