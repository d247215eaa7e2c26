"""The part that keeps a user land alive and hands out the commands that run in it.

What a land is, and how safe it is, stands in `namespaces`, `userland.sh` and `userland.fstab`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox_server.config import Assignment, BoxConfig
from sandbox_server.desktop.xserver import user_access
from sandbox_server.land.namespaces import WITH_SCREEN, Land, LandFailed, entrance
from sandbox_server.land.processes import wait_for_exit
from sandbox_server.parts import PartFailed, Tool

log = logging.getLogger(__name__)

SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")
NODE_CA_VARIABLE = "NODE_EXTRA_CA_CERTS"
RESTART_PAUSE_S = 0.2
FULL_CHECKS = 4
FULL_CHECK_S = 0.1
FULL = "all processes of the sandbox were ended, the kernel with its variables, too: they had left no room for another"


class UserLand:
    """Keeps one land standing: when its PID 1 ends, another one is made."""

    name = "user land"

    def __init__(self, config: BoxConfig, land: Land) -> None:
        """Take over a land that was spawned early."""
        self._config = config
        self._land = land
        self._failure: LandFailed | None = None
        self.ended_because = ""
        """Why we ended the land, until another one stands."""
        self._standing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Watch the land from now on."""
        # Python looks for the user's own packages only where their folder was there when it started.
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        (self._config.home / ".local/lib" / version / "site-packages").mkdir(parents=True, exist_ok=True)
        self._tasks.append(asyncio.create_task(self._keep(), name="user land"))

    async def ready(self) -> None:
        """Return once code can run in it; raise PartFailed if the host does not allow it."""
        await self._standing.wait()
        if self._failure is not None:
            raise PartFailed(str(self._failure))

    def tools(self) -> Sequence[Tool]:
        """Bring none: shell and kernel run in it."""
        return ()

    def log_tail(self) -> str:
        """Return nothing: a land that cannot be made says why by itself."""
        return ""

    async def close(self) -> None:
        """End all that runs in it."""
        for task in self._tasks:
            task.cancel()
        self._land.kill()

    async def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` in the workspace, inside the land; start it with `entrance`."""
        await self.ready()
        return self._land.command(argv, cwd=str(self._config.workspace))

    async def end_if_full(self) -> bool:
        """End the land if nothing can start in it any more; another one takes its place. Return whether that was so."""
        for _ in range(FULL_CHECKS):
            if self._land.full():
                await asyncio.sleep(FULL_CHECK_S)  # what was just killed may not be gone yet
            else:
                return False
        log.warning("the user land is full; ending it")
        self.ended_because = FULL
        self._standing.clear()
        self._land.kill()
        return True

    def environment(self) -> dict[str, str]:
        """Return the environment of what users run; the server's own is not part of it."""
        home = self._config.home
        variables = {
            "HOME": str(home),
            "USER": "agent",
            "LOGNAME": "agent",
            "SHELL": "/bin/bash",
            "PATH": f"{home}/.local/bin:/opt/user/bin:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PYTHONUNBUFFERED": "1",  # else a command that timed out has printed nothing
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "SANDBOX_TYPE": self._config.sandbox_type,
        }
        if self._config.parts in WITH_SCREEN:
            variables |= user_access()
        given = self._config.assignment
        if given.done() and not given.cancelled() and not given.exception():
            variables |= ca_environment(given.result(), home) | given.result().environment
        return variables

    def entrance(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment to start a `command` with; what it runs gets `environment`, and `more` on top."""
        return entrance({**self.environment(), **(more or {})})

    async def _keep(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._land.wait_ready)
            except LandFailed as e:
                # The same host refuses the next one, too: stop here, and say why to everybody who asks.
                self._failure = e
                self._standing.set()
                log.error("%s", e)
                return
            self.ended_because = ""
            self._standing.set()
            await wait_for_exit(self._land.init)
            self._standing.clear()
            log.warning("the user land ended; making another one")
            await asyncio.sleep(RESTART_PAUSE_S)  # a land that ends at once must not spin
            self._land = Land.spawn(self._config.parts)


def ca_environment(assignment: Assignment, home: Path) -> dict[str, str]:
    """Return the variables that make programs trust the box's CA bundle; none where there is no bundle."""
    if not assignment.ca_bundle:
        return {}
    bundle = ca_file(home)
    return {**dict.fromkeys(CA_VARIABLES, str(bundle)), NODE_CA_VARIABLE: str(bundle)}


def ca_file(home: Path) -> Path:
    """Return where the box's CA bundle stands; it is no secret."""
    return home / ".ca-bundle.pem"


def write_ca(assignment: Assignment, home: Path) -> None:
    """Write the system's certificates and the box's own into one file, which is what most programs ask for."""
    if not assignment.ca_bundle:
        return
    system = ""
    with contextlib.suppress(FileNotFoundError):
        system = SYSTEM_CA.read_text()
    ca_file(home).write_text(f"{system}\n{assignment.ca_bundle}\n")
