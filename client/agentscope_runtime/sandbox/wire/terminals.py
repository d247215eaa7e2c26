"""Terminals of a sandbox, and links to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agentscope_runtime.sandbox.wire.base import Request, Wire


class TerminalRequest(Request):
    """Body of `POST /v1/sandboxes/{id}/terminals`."""

    columns: Annotated[int, Field(ge=2, le=1000)] = 80
    rows: Annotated[int, Field(ge=1, le=1000)] = 24
    """How large the screen is, in characters; a viewer may change that."""
    cwd: str | None = None
    """The folder to start in; relative ones start at the workspace, which is also the default."""
    environment: dict[str, str] | None = None
    """Variables, on top of the sandbox's own."""
    command: str | None = None
    """For bash; an interactive bash if nothing is said."""


class TerminalInfo(Wire):
    """One terminal."""

    terminal_id: str
    command: str | None = None
    state: Literal["running", "exited"]
    exit_code: int | None = None
    pid: int
    columns: int
    rows: int
    viewers: int
    started_at: float
    ended_at: float | None = None


class TerminalList(Wire):
    """Answer of `GET /v1/sandboxes/{id}/terminals`: those that run, and some that ended."""

    terminals: list[TerminalInfo]


class TerminalLinkRequest(Request):
    """Body of `POST /v1/sandboxes/{id}/terminal`."""

    terminal_id: str | None = None
    """Which one; the sandbox's main terminal if nothing is said, which is started if it does not run."""
    control: bool = True
    """Whether the viewer may type; else they only watch."""


class TerminalLink(Wire):
    """A link that opens one terminal once."""

    url: str
    """Whole, as a person opens it."""
    expires_in: float
    """Seconds until an unopened link is worthless."""
    control: bool
    terminal_id: str
