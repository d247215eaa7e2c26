"""Leases and the sandboxes in them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_core import from_json

from agentscope_runtime.sandbox.wire.base import SESSION_ID_MAX, Name, Request, TypeName, Wire
from agentscope_runtime.sandbox.wire.snapshots import SNAPSHOT_NAME

PROFILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$"
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
ENVIRONMENT_MAX = 1 << 15
"""Characters; it travels on a box's start-up line, which is bounded."""
VariableValue = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=8192)]


WAIT_MAX = 3600.0
"""Seconds that a connect may wait for room."""


class LeaseOptions(Request):
    """What a lease shall be beyond its kinds; what a request leaves out (None) stays as it is."""

    profile: Annotated[str, Field(pattern=PROFILE_NAME)] | None = None
    """The user's profile that a browser begins with, and leaves its logins to."""
    resolution: Annotated[str, Field(pattern=r"^[1-9]\d{2,3}x[1-9]\d{2,3}$")] | None = None
    """Of the desktops of the lease, in pixels: `1600x1000`."""
    shared_workspace: bool | None = None
    """Whether all sandboxes of the lease have one workspace between them; they are started for it then."""
    environment: dict[Variable, VariableValue] | None = Field(default=None, max_length=64, repr=False)
    """Variables of what users run in the sandboxes; they are started for it then. Stronger than those of the kind."""
    mcp_servers: dict[str, dict[str, Any]] | None = Field(default=None, max_length=32, repr=False)
    """MCP servers to run in each sandbox of the lease, as `McpServersRequest` has them."""
    from_snapshot: Annotated[str, Field(pattern=SNAPSHOT_NAME)] | None = None
    """The user's snapshot that the workspaces of the lease begin with."""

    @field_validator("mcp_servers", mode="before")
    @classmethod
    def _without_wrapping(cls, servers: Any) -> Any:
        wrapped = isinstance(servers, dict) and set(servers) == {"mcpServers"}
        return servers["mcpServers"] if wrapped else servers

    @field_validator("environment")
    @classmethod
    def _not_too_large(cls, variables: dict[str, str] | None) -> dict[str, str] | None:
        if variables and sum(len(name) + len(value) for name, value in variables.items()) > ENVIRONMENT_MAX:
            raise ValueError(f"all variables together may have {ENVIRONMENT_MAX} characters")
        return variables

    @property
    def needs_own(self) -> bool:
        """Whether no sandbox that was started before will do."""
        return bool(self.shared_workspace or self.environment)


class ConnectRequest(Request):
    """Body of `POST /v1/leases`: lease these kinds of sandbox to one session of one user."""

    session_id: Name
    user_id: Annotated[str, Field(max_length=SESSION_ID_MAX)] = ""
    """Whose session it is; the empty string is the user of a single-user application."""
    sandbox_types: Annotated[list[TypeName], Field(min_length=1, max_length=16)] = Field(default=["base"])
    """The kinds, without repeats; the answer has one sandbox for each, in this order."""
    options: LeaseOptions = LeaseOptions()
    wait_s: Annotated[float, Field(ge=0, le=WAIT_MAX)] = 0.0
    """Seconds to wait in line for room where the limits leave none; 0 is refused at once then."""

    @field_validator("options")
    @classmethod
    def _every_reader_takes_them(cls, options: LeaseOptions) -> LeaseOptions:
        try:
            from_json(json.dumps(options.mcp_servers))
        except (ValueError, RecursionError) as e:  # half a character, say, or nested too deeply
            raise ValueError(f"mcp_servers are not what every reader of JSON takes: {e}") from e
        return options


RENEWAL_MAX = 366 * 86400.0
"""Seconds of one renewal."""


class RenewRequest(Request):
    """Body of `POST /v1/leases/renew`: let the lease of a session go on for longer."""

    session_id: Name
    user_id: Annotated[str, Field(max_length=SESSION_ID_MAX)] = ""
    seconds: Annotated[float, Field(gt=0, le=RENEWAL_MAX)] | None = None
    """From now; by default as long as a new lease may live (`LEASE_MAX_SECONDS`), which is the most there is."""


class SandboxInfo(Wire):
    """One sandbox, as `get_info()` returns it. Holds no secret and no path of the host."""

    sandbox_id: str
    sandbox_type: str
    state: str
    """`starting`, `warm`, `leased`, `suspending`, `suspended` (it starts again when it is used) or `stopping`."""
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
    shared_workspace: bool = False
    """Whether the other sandboxes of its lease have the same workspace."""
    restored: bool = False
    """Whether it was suspended and started again: its files are those that were there, what ran in it is gone."""
    paused: bool = False
    """Whether what runs in it stands still until it is used."""
    created_at: float = 0.0
    leased_at: float | None = None
    last_active_at: float | None = None
    suspended_at: float | None = None
    expires_at: float | None = None
    """When its lease ends, used or not; None is never."""


class LeaseInfo(Wire):
    """Answer of `POST /v1/leases`, and an item of `GET /v1/leases`."""

    session_id: str
    user_id: str
    sandboxes: list[SandboxInfo]
    idle_timeout: float | None = None
    """Seconds without any use of its sandboxes until `idle_action`; managers that do not say so leave it out."""
    idle_action: str | None = None
    """`suspend` (its files stay, and it starts again when it is used) or `release` (it ends)."""
    expires_at: float | None = None
    """When it ends, used or not; None is never."""


class LeaseList(Wire):
    """Answer of `GET /v1/leases`."""

    leases: list[LeaseInfo]


class SandboxList(Wire):
    """Answer of `GET /v1/sandboxes`."""

    sandboxes: list[SandboxInfo]
