"""Commands that run in a sandbox."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agentscope_runtime.sandbox.wire.base import Request, Wire

COMMAND_TIMEOUT_MAX = 86_400.0
State = Literal["running", "exited", "killed", "timed_out"]


class CommandRequest(Request):
    """Body of `POST /v1/sandboxes/{id}/commands`."""

    command: str
    """The command line, for bash."""
    cwd: str | None = None
    """The folder to run in; relative ones start at the workspace, which is also the default."""
    environment: dict[str, str] | None = None
    """Variables, on top of the sandbox's own."""
    timeout: Annotated[float, Field(gt=0, le=COMMAND_TIMEOUT_MAX)] | None = None
    """Seconds, then it is killed with all that it started. By default 60, and without limit in the background."""
    stdin: bool = False
    """Whether it can be written to while it runs."""
    input: str | None = None
    """What it finds on its stdin from the beginning."""
    input_base64: str | None = None
    """The same, as base64, where it is no text."""
    background: bool = False
    """Whether it runs on when nobody follows its output; else it is killed then, and waits for slow readers."""


class CommandInfo(Wire):
    """One command, which runs or has ended."""

    command_id: str
    command: str
    background: bool = False
    state: State
    """`exited`: by itself; `killed`: by a signal; `timed_out`: it took longer than it was given."""
    exit_code: int | None = None
    """None while it runs; 128 + n where signal n ended it, 124 where it timed out."""
    pid: int
    """Its number inside the sandbox; it leads a session and a process group of this number."""
    started_at: float
    ended_at: float | None = None


class CommandList(Wire):
    """Answer of `GET /v1/sandboxes/{id}/commands`: those that run, and some that ended."""

    commands: list[CommandInfo]


class SignalRequest(Request):
    """Body of `POST /v1/sandboxes/{id}/commands/{id}/signal`."""

    signal: str
    """`INT`, `TERM`, `KILL`, `HUP`, …; with or without `SIG`."""
