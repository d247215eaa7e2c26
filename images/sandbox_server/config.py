"""What a box knows about itself: the image's own facts, and the one line that the manager writes to its stdin.

The line is the only way in for secrets: nothing of it is ever in the environment, in arguments, or in a file that
code of the user can read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import asyncio  # the first import of the server must be a cheap one

    from sandbox_server.mcp.configs import ServerConfig

LINE_LIMIT = 1 << 20  # a CA bundle of a few hundred certificates fits; anything longer is not ours
LINE_TIMEOUT_S = 30.0
EX_CONFIG = 78  # sysexits.h: the configuration is missing or wrong
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ConfigError(Exception):
    """The line on stdin is not a configuration; the message names the member."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the manager tells this box on its stdin."""

    token: str = field(repr=False)
    """Whoever shows it may call this box."""
    generation: int
    """Counts the leases; the box starts with this one."""
    sandbox_id: str
    sandbox_type: str
    parts: str | None = None
    """The type whose parts the manager expects; None if it says nothing."""
    watchdog_s: float = 60.0
    """Seconds without an authorised request after which the box ends itself."""
    kernel: Literal["eager", "lazy"] = "eager"
    """Whether the IPython kernel must run before the box is ready, or starts with the first cell."""
    ca_bundle: str | None = field(default=None, repr=False)
    """PEM certificates that what runs in this box shall trust on top of the system's."""
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    """Variables of what users run, on top of the box's own; `options.environment` on the line, where further options
    are those of a later manager."""
    mcp_servers: Sequence[ServerConfig] = ()
    """MCP servers that start with the box; `options.mcp_servers` on the line, as users add them later."""


@dataclass(frozen=True, slots=True)
class BoxConfig:
    """What the image and the container fix before anything is told; parts get it in their constructor."""

    sandbox_type: str
    parts: str
    """The built-in type that this one is made like: itself, or what its image is laid on."""
    assignment: asyncio.Future[Assignment]
    """Done as soon as the manager has spoken; `await asyncio.shield(config.assignment)` waits for it."""
    workspace: Path = Path("/workspace")
    home: Path = Path("/home/agent")
    run_dir: Path = Path("/run/box")
    """For secrets and sockets of the server: masked in the user land."""
    desktop_dir: Path = Path("/run/desktop")
    """For what the screen and Chromium need: masked in the user land, and nothing can be run from it."""
    port: int = 7000
    desktop_port: int = 7001
    cdp_port: int = 9222
    """Where Chromium takes commands, on loopback only."""


def sandbox_type() -> str:
    """Return the type that the image was built for: `ENV SANDBOX_TYPE` in its Dockerfile."""
    return os.environ.get("SANDBOX_TYPE", "base")


def parts() -> str:
    """Return the built-in type that a box of this image is made like: `ENV SANDBOX_PARTS` of our image below it."""
    return os.environ.get("SANDBOX_PARTS") or sandbox_type()


def parse(line: bytes) -> Assignment:
    """Read the line of the manager.

    Raises:
        ConfigError: a member is missing or of the wrong kind.
    """
    try:
        members = json.loads(line)
    except ValueError as e:
        raise ConfigError(f"the configuration is not JSON: {e}") from e
    if not isinstance(members, dict):
        raise ConfigError("the configuration is not a JSON object")
    text = {name: _member(members, name, str) for name in ("token", "sandbox_id", "sandbox_type")}
    if len(text["token"]) < 16:
        raise ConfigError("token is shorter than 16 characters")
    kernel = _member(members, "kernel", str, "eager")
    if kernel not in ("eager", "lazy"):
        raise ConfigError(f"kernel is {kernel!r}, not 'eager' or 'lazy'")
    watchdog_s = float(_member(members, "watchdog_s", (int, float), 60.0))
    if not watchdog_s > 0:
        raise ConfigError("watchdog_s is not above 0")
    options = _member(members, "options", dict, {})
    return Assignment(
        **text,
        generation=_member(members, "generation", int),
        watchdog_s=watchdog_s,
        parts=_member(members, "parts", (str, type(None)), None),
        kernel=kernel,
        ca_bundle=_member(members, "ca_bundle", (str, type(None)), None),
        environment=_environment(options),
        mcp_servers=_mcp_servers(options),
    )


def _environment(options: dict[str, Any]) -> dict[str, str]:
    variables = options.get("environment", {})
    if not isinstance(variables, dict):
        raise ConfigError("options.environment is not an object")
    for name, value in variables.items():
        if not VARIABLE.fullmatch(name) or not isinstance(value, str) or "\0" in value:
            raise ConfigError(f"options.environment: {name!r} is not the name of a variable, or its value no text")
    return variables


def _mcp_servers(options: dict[str, Any]) -> Sequence[ServerConfig]:
    if not options.get("mcp_servers"):
        return ()
    from sandbox_server.mcp.configs import InvalidServer, parse  # few boxes need it, and this module is the first

    try:
        return parse(options["mcp_servers"])
    except InvalidServer as e:
        raise ConfigError(f"options.mcp_servers: {e}") from e


def _member(members: dict[str, Any], name: str, kind: type | tuple[type, ...], *default: Any) -> Any:
    if name not in members and default:
        return default[0]
    value = members.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f"{name} is missing or of the wrong type")
    return value
