"""The kinds of sandbox there are, and the names that travel with them.

Not here: which class or image serves a kind (`registry`), and what a kind can do (`_async`).
"""

from __future__ import annotations

from typing import Any, Literal, NewType, TypedDict

SandboxId = NewType("SandboxId", str)
"""Names one sandbox, and its container, for its whole life: `sbx-` and 20 lower-case letters or digits."""


class SandboxType(str):
    """A kind of sandbox: `SandboxType("browser")`, or `SandboxType.BROWSER`.

    The built-in kinds are class attributes. A kind of your own is any other name of lower-case letters, digits,
    hyphens and underscores, known once `SandboxRegistry.register` has seen it; one that ends in `_async` is the kind
    without that ending. It is a `str`, so that it travels as it is.
    """

    __slots__ = ()

    BASE: SandboxType
    BASE_ASYNC: SandboxType
    BROWSER: SandboxType
    BROWSER_ASYNC: SandboxType
    FILESYSTEM: SandboxType
    FILESYSTEM_ASYNC: SandboxType
    GUI: SandboxType
    GUI_ASYNC: SandboxType

    def __repr__(self) -> str:
        return f"SandboxType({str(self)!r})"

    @property
    def value(self) -> str:
        """The plain name, as the peer's enum had it."""
        return str(self)


SandboxType.BASE = SandboxType("base")
SandboxType.BASE_ASYNC = SandboxType("base_async")
SandboxType.BROWSER = SandboxType("browser")
SandboxType.BROWSER_ASYNC = SandboxType("browser_async")
SandboxType.FILESYSTEM = SandboxType("filesystem")
SandboxType.FILESYSTEM_ASYNC = SandboxType("filesystem_async")
SandboxType.GUI = SandboxType("gui")
SandboxType.GUI_ASYNC = SandboxType("gui_async")


def plain_type(sandbox_type: str) -> str:
    """Return the name of the kind itself: `browser_async` asks for an async class of the kind `browser`."""
    return str(sandbox_type).removesuffix("_async")


class Options(TypedDict, total=False):
    """What a lease shall be beyond its kinds; see `wire.LeaseOptions`, which says what each may be."""

    profile: str | None
    """The user's profile that a browser begins with, and leaves its logins to."""
    resolution: str | None
    """Of the desktop, in pixels: `1600x1000`."""


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


ToolResult = dict[str, Any]
"""What a tool returns: `{"meta": None, "content": [{"type": "text", "text": …}, …], "isError": bool}`."""
