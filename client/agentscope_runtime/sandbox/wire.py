"""What travels between client and manager: the bodies of `/v1`, as pydantic models.

The routes are in the manager's `api/`; the paths and verbs that the client uses are in `calls`. Times are UTC, as
seconds since the epoch. Unknown members are ignored when read, so that an older client understands a newer manager.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agentscope_runtime.sandbox.types import plain_type

SESSION_ID_MAX = 256
Name = Annotated[str, Field(min_length=1, max_length=SESSION_ID_MAX)]
TypeName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"), AfterValidator(plain_type)]
"""A kind, or the name of its asynchronous class (`browser_async`), which is read as the kind."""


class Wire(BaseModel):
    """A body that travels; frozen."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ConnectRequest(Wire):
    """Body of `POST /v1/leases`: lease these kinds of sandbox to one session of one user."""

    session_id: Name
    user_id: Annotated[str, Field(max_length=SESSION_ID_MAX)] = ""
    """Whose session it is; the empty string is the user of a single-user application."""
    sandbox_types: Annotated[list[TypeName], Field(min_length=1, max_length=16)] = ["base"]
    """The kinds, without repeats; the answer has one sandbox for each, in this order."""


class SandboxInfo(Wire):
    """One sandbox, as `get_info()` returns it. Holds no secret and no path of the host."""

    sandbox_id: str
    sandbox_type: str
    state: str
    """`starting`, `warm`, `leased` or `stopping`."""
    image: str
    container_id: str
    container_name: str
    session_id: str | None = None
    user_id: str | None = None
    generation: int = 0
    """Counts the leases of this sandbox; the box refuses calls that carry an older one."""
    warm: bool = True
    """Whether the lease found it ready in the pool (else it was started for this lease)."""
    desktop: bool = False
    """Whether it has a desktop to watch."""
    created_at: float = 0.0
    leased_at: float | None = None
    last_active_at: float | None = None


class LeaseInfo(Wire):
    """Answer of `POST /v1/leases`, and an item of `GET /v1/leases`."""

    session_id: str
    user_id: str
    sandboxes: list[SandboxInfo]
    idle_timeout: float | None = None
    """Seconds without any use of its sandboxes after which it ends; managers that do not say so leave it out."""


class LeaseList(Wire):
    """Answer of `GET /v1/leases`."""

    leases: list[LeaseInfo]


class SandboxList(Wire):
    """Answer of `GET /v1/sandboxes`."""

    sandboxes: list[SandboxInfo]


class ToolCall(Wire):
    """Body of `POST /v1/sandboxes/{id}/tools/{name}`."""

    arguments: dict[str, Any] = {}
    timeout: Annotated[float, Field(gt=0, le=3600)] | None = None
    """Seconds; the tool's own default where None."""


class ToolInfo(Wire):
    """One tool of a sandbox."""

    name: str
    group: str
    """The server it belongs to in the contract: `generic`, `playwright`, …"""
    description: str
    input_schema: dict[str, Any]


class ToolList(Wire):
    """Answer of `GET /v1/sandboxes/{id}/tools`."""

    tools: list[ToolInfo]


class DesktopRequest(Wire):
    """Body of `POST /v1/sandboxes/{id}/desktop`."""

    control: bool = False
    """Whether the viewer may use mouse and keyboard; else they only watch."""


class DesktopLink(Wire):
    """A link that opens the desktop of one sandbox once."""

    url: str
    """Whole, as a person opens it."""
    expires_in: float
    """Seconds until an unopened link is worthless."""
    control: bool


class Failure(Wire):
    """Why sandboxes of one kind did not start."""

    count: int
    """In a row; 0 after one success."""
    reason: str = ""
    at: float | None = None
    retry_in: float = 0.0
    """Seconds until the refill tries again."""


class PoolStatus(Wire):
    """How the pool of one kind stands."""

    target: int
    ready: int
    starting: int
    leased: int
    stopping: int
    hits: int
    """Leases served from the pool so far."""
    misses: int
    """Leases that had to start a sandbox."""
    failures: Failure


class PoolReport(Wire):
    """Answer of `GET /v1/pool`."""

    types: dict[str, PoolStatus]
    limit: int
    """Most sandboxes at once, over all kinds; 0 is no limit."""
