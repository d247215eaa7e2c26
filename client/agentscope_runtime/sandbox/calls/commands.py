"""Commands: starting them, their output, their input, their end."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import JSON, Call, at, check_seconds, dump, nothing
from agentscope_runtime.sandbox.errors import InvalidRequest

STREAM_SILENCE = 60.0
"""Seconds without a word after which a stream of output counts as broken; the box says something every ten."""


def start_command(  # noqa: PLR0913 - what a command consists of
    sandbox_id: str,
    command: str,
    *,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    background: bool = False,
    stdin: bool = False,
) -> Call[wire.CommandInfo]:
    """Start a command."""
    body = _body(command, cwd, environment, timeout) | {"background": background, "stdin": stdin}
    what = f"start a command in {sandbox_id}"
    where = at(sandbox_id, "commands")
    return Call(what, "POST", where, wire.CommandInfo.model_validate_json, dump(body), JSON, idempotent=False)


def run_command(
    sandbox_id: str,
    command: str,
    *,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    data: str | bytes | None = None,
) -> Call[bytes]:
    """Start a command in the foreground, with `data` on its stdin; the answer is its output."""
    body = _body(command, cwd, environment, timeout)
    if isinstance(data, str):
        body["input"] = data
    elif data is not None:
        body["input_base64"] = base64.b64encode(data).decode()
    what, where = f"run a command in {sandbox_id}", at(sandbox_id, "commands") + "?follow=true"
    return Call(what, "POST", where, bytes, dump(body), JSON, STREAM_SILENCE, idempotent=False)


def list_commands(sandbox_id: str) -> Call[wire.CommandList]:
    """List the commands that run, and those that ended and are remembered."""
    where = at(sandbox_id, "commands")
    return Call(f"list the commands of {sandbox_id}", "GET", where, wire.CommandList.model_validate_json)


def command(sandbox_id: str, command_id: str, wait: float = 0.0) -> Call[wire.CommandInfo]:
    """Describe one command; the answer waits so many seconds for its end."""
    where = _command(sandbox_id, command_id) + (f"?wait={wait:g}" if wait else "")
    what = f"look up {command_id} in {sandbox_id}"
    return Call(what, "GET", where, wire.CommandInfo.model_validate_json, allowance=wait)


def remove_command(sandbox_id: str, command_id: str) -> Call[None]:
    """Kill a command with all that it started, and forget it; a missing one is fine."""
    return Call(f"remove {command_id} in {sandbox_id}", "DELETE", _command(sandbox_id, command_id), nothing)


def command_output(sandbox_id: str, command_id: str, position: int, follow: bool) -> Call[bytes]:
    """Read a command's output from a position on; with `follow` until its end."""
    where = f"{_command(sandbox_id, command_id, 'output')}?from={position}&follow={str(follow).lower()}"
    return Call(f"read the output of {command_id} in {sandbox_id}", "GET", where, bytes, timeout=STREAM_SILENCE)


def write_command(sandbox_id: str, command_id: str, data: bytes, end: bool) -> Call[None]:
    """Write to a command's stdin."""
    where = f"{_command(sandbox_id, command_id, 'stdin')}?end={str(end).lower()}"
    what = f"write to {command_id} in {sandbox_id}"
    return Call(what, "POST", where, nothing, data, "application/octet-stream", idempotent=False)


def signal_command(sandbox_id: str, command_id: str, signal: str) -> Call[wire.CommandInfo]:
    """Send a command a signal."""
    where, body = _command(sandbox_id, command_id, "signal"), dump({"signal": signal})
    what = f"signal {command_id} in {sandbox_id}"
    return Call(what, "POST", where, wire.CommandInfo.model_validate_json, body, JSON, idempotent=False)


def _command(sandbox_id: str, command_id: str, *rest: str) -> str:
    if not command_id or command_id in (".", ".."):
        raise InvalidRequest(f"{command_id!r} is not the id of a command; commands.list() has them")
    return at(sandbox_id, "commands", command_id, *rest)


def _body(
    command: str, cwd: str | None, environment: Mapping[str, str] | None, timeout: float | None
) -> dict[str, object]:
    if timeout is not None:
        check_seconds("timeout", timeout, wire.COMMAND_TIMEOUT_MAX)
    given = {"cwd": cwd, "environment": environment and dict(environment), "timeout": timeout}
    return {"command": command, **{name: value for name, value in given.items() if value is not None}}
