"""What runs the containers: the protocol, and what is said across it.

A backend makes, finds and removes containers of one installation and one manager. It knows nothing of pools and
leases, and keeps no state that could not be read from the engine again (except logs of containers that start).
`tests/contracts/test_backends.py` is the suite that every backend passes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agentscope_runtime.sandbox_manager.states import Address

BOX_PORT = 7000
"""Where the box server listens in every container."""
DESKTOP_PORT = 7001
"""Where websockify listens in a container that has a desktop."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels that everything of ours carries on the engine."""

    INSTALLATION = "agentscope_runtime.installation"
    MANAGER = "agentscope_runtime.manager"
    SANDBOX_ID = "agentscope_runtime.sandbox_id"
    SANDBOX_TYPE = "agentscope_runtime.sandbox_type"
    CREATED_AT = "agentscope_runtime.created_at"


@dataclass(frozen=True, slots=True)
class Owner:
    """On whose behalf a backend makes things."""

    installation: str
    """All managers of one user on one machine; nothing of another installation is ever touched."""
    manager: str
    """One run of one manager."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What to start for one kind of sandbox."""

    sandbox_type: str
    image: str
    memory: int
    """Bytes, swap included."""
    nano_cpus: int
    shm: int
    """Bytes of /dev/shm."""
    has_desktop: bool = False
    has_browser: bool = False
    """Whether it has a browser that can have a user's profile."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of what users run."""
    mcp_servers: Mapping[str, object] = field(default_factory=dict, repr=False)
    """MCP servers that start with the box."""
    box_config: Mapping[str, object] = field(default_factory=dict)
    """Members of the start-up line beyond id, kind, token, generation and options."""
    awaited_config: Mapping[str, object] = field(default_factory=dict)
    """Those of them that are others where a session waits for the container."""


@dataclass(frozen=True, slots=True)
class Order:
    """One container to start."""

    sandbox_id: str
    """Also the container's name: a repeated order conflicts, it does not make two."""
    blueprint: Blueprint
    created_at: float
    token: str = field(repr=False)
    volume: str = ""
    """The workspace that it shares with others of the same lease; made with the first of them, and kept without them
    until it is removed. "" is one of its own, which goes with it."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of what users run, on top of the blueprint's."""
    restored: bool = False
    """Whether it goes on with the workspace that an earlier container of this name left (`remove(keep_workspace)`)."""
    generation: int = 0
    """Of the last lease that used that; the box knows by it that it is no fresh one."""
    awaited: bool = False
    """Whether a session waits for it, and not the pool."""

    def start_line(self) -> dict[str, object]:
        """Return what the box reads from its standard input before it serves anybody."""
        return {
            **self.blueprint.box_config,
            **(self.blueprint.awaited_config if self.awaited else {}),
            "options": self._options(),
            "token": self.token,
            "generation": self.generation,
            "sandbox_id": self.sandbox_id,
            "sandbox_type": self.blueprint.sandbox_type,
        }

    def _options(self) -> dict[str, object]:
        environment = {**self.blueprint.environment, **self.environment}
        servers = self.blueprint.mcp_servers
        return {"environment": environment, **({"mcp_servers": servers} if servers else {})}


@dataclass(frozen=True, slots=True)
class Started:
    """A container that runs; whether its box answers is another question."""

    container_id: str
    image_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class Found:
    """Something of this installation on the engine."""

    sandbox_id: str
    manager: str
    created_at: float
    running: bool
    sandbox_type: str = ""
    """Of a container; "" for a volume."""
    container_id: str = ""
    image_id: str = ""
    address: Address | None = None
    """Where the box of a running container answers; with the port of a desktop, whether or not its kind has one."""


@dataclass(frozen=True, slots=True)
class Death:
    """A container ended, expected or not."""

    sandbox_id: str
    reason: str
    """Ends the sentence "sandbox X …": `ended with exit code 137`."""


@dataclass(frozen=True, slots=True)
class WatchBegins:
    """From here on each death is told; earlier ones may have been missed: look for yourself."""


@dataclass(frozen=True, slots=True)
class WatchLost:
    """The engine stopped telling; the watch is taken up again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a box says of its leases."""

    note: bytes
    """As it was written (`lease_notes`); b"" if none was."""
    generation: int
    """The newest lease that called it; 0 before any did."""


class Unreachable(Exception):
    """Nobody answers at a box's address; whether its container lives is for the backend to say."""


class Backend(Protocol):
    """Makes, finds and removes containers.

    Every method may raise BackendUnavailable. All are safe to cancel: nothing appears on the engine after they
    returned or raised.
    """

    async def start(self, order: Order) -> Started:
        """Make and start a container, and hand it its start-up line.

        Raises:
            ImageMissing: There is no such image on the engine.
            StartFailed: The engine refused or could not do it.
            SandboxDied: The workspace with which it was to go on is gone.
        """

    async def remove(self, sandbox_id: str, *, keep_workspace: bool = False) -> None:
        """Remove a container in whatever state it is, and its workspace, also one that was kept; fine if there is none.

        Args:
            sandbox_id: The container.
            keep_workspace: Leave the workspace: for an order of the same name that is `restored`, or until it is
                removed, by `remove` or `remove_volume`. One that ended by itself before may have taken it along.
        """

    async def pause(self, sandbox_id: str) -> None:
        """Freeze a container: it keeps its memory and takes no CPU; fine if it is frozen, or gone, already."""

    async def unpause(self, sandbox_id: str) -> None:
        """Let a frozen container go on; fine if it is not frozen, or gone."""

    async def alive(self, sandbox_id: str) -> bool:
        """Tell whether the container runs; a frozen one does."""

    async def memory_used(self, sandbox_id: str) -> int | None:
        """Return the bytes of memory that the container uses; None if it does not run. May take seconds."""

    async def last_words(self, sandbox_id: str) -> str:
        """Return the last lines that the container printed, as far as they are known; "" if none are."""

    def settle(self, sandbox_id: str) -> None:
        """Take note that the box is ready: what it prints from now on need not be kept."""

    async def image_id(self, image: str) -> str | None:
        """Return what this name means on the engine now; None if nothing."""

    async def containers(self) -> list[Found]:
        """Return all containers of this installation, of any manager."""

    async def loose_volumes(self) -> list[Found]:
        """Return the volumes of this installation that no container uses; a shared one by its name."""

    async def remove_volume(self, sandbox_id: str) -> None:
        """Remove the workspace that a container left behind, or a shared one by its name; fine if there is none."""

    def watch(self, *, of_all: bool = False) -> AsyncIterator[WatchBegins | Death | WatchLost]:
        """Tell of deaths of this manager's containers, for as long as it is iterated; survives the engine's restart.

        Args:
            of_all: Whether to tell of those of all managers of the installation.
        """

    async def aclose(self) -> None:
        """End what the backend keeps open; containers stay as they are."""
