"""The types of what the client's methods take and return; the kinds of sandbox are in `enums`."""

from __future__ import annotations

from typing import Any, Literal, NewType, TypedDict

# Under this module's name, too: whoever uses the types asks for these here.
from agentscope_runtime.sandbox.enums import SandboxType as SandboxType
from agentscope_runtime.sandbox.enums import plain_type as plain_type

SandboxId = NewType("SandboxId", str)
"""Names one sandbox, and its container, for its whole life: `sbx-` and 20 lower-case letters or digits."""


class Options(TypedDict, total=False):
    """What a lease shall be beyond its kinds; see `wire.LeaseOptions`, which says what each may be."""

    profile: str | None
    """The user's profile that a browser begins with, and leaves its logins to."""
    resolution: str | None
    """Of the desktop, in pixels: `1600x1000`."""
    shared_workspace: bool | None
    """Whether all sandboxes of the lease have one workspace between them."""
    environment: dict[str, str] | None
    """Variables of what users run in the sandboxes."""
    mcp_servers: dict[str, Any] | None
    """MCP servers to run in the sandboxes, as `add_mcp_servers` takes them."""
    from_snapshot: str | None
    """The user's snapshot that the workspaces begin with, as `snapshot` made it."""


class BoxOptions(Options, total=False):
    """What the classes' constructors take by name beyond their first arguments."""

    lazy: bool
    """Whether the sandbox is connected at its first use only."""
    wait_s: float
    """Seconds to wait in line for room where the manager's limits leave none; refused at once by default."""
    timeout: float | None
    """Seconds for a tool call that names none; by default what its kind is registered with."""


class Entry(TypedDict):
    """One file or folder of a workspace, as `box.fs` describes it."""

    path: str
    """Absolute, inside the sandbox."""
    name: str
    type: Literal["file", "dir", "symlink", "other"]
    size: int | None
    """Bytes; None for what has no size."""
    mtime_ms: int
    """When it was last changed, in milliseconds since the epoch."""


Entries = list[Entry]
"""A listing: what `box.fs.list` returns."""


class SnapshotEntry(TypedDict):
    """One snapshot of a workspace."""

    name: str
    size: int
    """Bytes that are kept."""
    created_at: float
    """In seconds since the epoch."""


class KernelEntry(TypedDict):
    """One Python kernel, as `box.kernels` describes it."""

    name: str
    state: Literal["stopped", "starting", "idle", "busy", "failed"]
    """`stopped` and `failed` ones start with their next cell."""
    cells: int
    """How many it has run, or runs."""
    waiting: int
    """How many wait for their turn in it."""
    started_at: float | None
    """When its process started, in seconds since the epoch; None where it has none."""


OutsideLinks = Literal["refuse", "skip"]
"""What becomes of a link that leads out of the folder that is downloaded: the download fails, or goes without it."""

ToolResult = dict[str, Any]
"""What a tool returns: `{"meta": None, "content": [{"type": "text", "text": …}, …], "isError": bool}`."""
