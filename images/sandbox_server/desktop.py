"""The screen of the box: an X server that speaks VNC, a window manager, and the door that viewers come through.

Xvnc is the X server itself, so a change reaches a viewer without polling. It listens on a unix socket that only the
server's user can open; websockify carries it to a WebSocket on the desktop port and asks for the box's token.
Not here: the viewer's page (the manager), and what is shown (browser).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox_server.child import Child
from sandbox_server.config import BoxConfig
from sandbox_server.parts import PartFailed, Tool

DISPLAY = 1
GEOMETRY = re.compile(r"[1-9]\d{2,3}x[1-9]\d{2,3}")
WINDOW_MANAGER = ("matchbox-window-manager", "-use_titlebar", "no")  # every window fills the screen
RESTART_PAUSE_S = 0.5
LISTEN_POLL_S = 0.02


class Desktop:
    """The part that owns the display; start it before what draws on it."""

    name = "desktop"

    def __init__(self, config: BoxConfig) -> None:
        """Take the box's facts; the token comes with the assignment."""
        self._config = config
        self._socket = config.run_dir / "desktop.socket"
        self._token = config.run_dir / "desktop.token"
        self._display_up = asyncio.Event()
        self._up = asyncio.Event()
        self._failure: str | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def display(self) -> str:
        """Return the value of DISPLAY for programs that draw here."""
        return f":{DISPLAY}"

    async def start(self) -> None:
        """Start the X server; the rest follows by itself."""
        server = Child("Xvnc", self._server_command())
        await server.start()
        self._tasks.append(asyncio.create_task(self._run(server), name="desktop"))

    async def display_up(self) -> None:
        """Wait until programs can draw.

        Raises:
            PartFailed: the X server ended.
        """
        await self._display_up.wait()
        self._check()

    async def ready(self) -> None:
        """Wait until a viewer can connect.

        Raises:
            PartFailed: the X server ended.
        """
        await self._up.wait()
        self._check()

    def tools(self) -> Sequence[Tool]:
        """Return nothing: a desktop is for watching."""
        return ()

    async def close(self) -> None:
        """End the viewers' door, the window manager and the X server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check(self) -> None:
        if self._failure is not None:
            raise PartFailed(self._failure)

    async def _run(self, server: Child) -> None:
        try:
            await server.printed(re.compile(rf"(?m)^{DISPLAY}$"))
            self._display_up.set()
            self._keep(Child("window manager", WINDOW_MANAGER, {"DISPLAY": self.display}))
            assignment = await asyncio.shield(self._config.assignment)
            write_secret(self._token, assignment.token)
            self._keep(Child("websockify", self._door_command()))
            await self._listening()
            self._up.set()
            self._failure = await server.obituary()
        except PartFailed as e:
            self._failure = str(e)
        finally:
            self._display_up.set()
            self._up.set()
            await server.stop()

    def _keep(self, child: Child) -> None:
        self._tasks.append(asyncio.create_task(_keep_running(child), name=child.name))

    async def _listening(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._config.desktop_port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(LISTEN_POLL_S)

    def _server_command(self) -> list[str]:
        geometry = os.environ.get("DESKTOP_GEOMETRY", "1280x800")
        if not GEOMETRY.fullmatch(geometry):
            raise PartFailed(f"DESKTOP_GEOMETRY is {geometry!r}, not like 1280x800")
        return [
            "Xvnc", self.display, "-displayfd", "1", "-geometry", geometry, "-depth", "24",
            "-rfbport", "-1", "-rfbunixpath", str(self._socket), "-rfbunixmode", "0600",
            "-SecurityTypes", "None",  # the socket's mode and websockify's token keep others out
            "-AlwaysShared", "-FrameRate", os.environ.get("DESKTOP_FRAME_RATE", "60"),
            "-desktop", "sandbox", "-nolisten", "tcp", "-s", "0", "-dpms",
            "-extension", "GLX",  # software GL would cost 130 MB of libraries; Chromium brings its own
        ]  # fmt: skip

    def _door_command(self) -> list[str]:
        return [
            sys.executable, "-I", "-m", "websockify", f"--unix-target={self._socket}",
            "--auth-plugin", "sandbox_server.desktop_auth.BearerAuth", "--auth-source", str(self._token),
            "--heartbeat", "30",  # a viewer that vanished is noticed, and its fork ends
            f"0.0.0.0:{self._config.desktop_port}",
        ]  # fmt: skip


def write_secret(path: Path, secret: str) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)


async def _keep_running(child: Child) -> None:
    try:
        while True:
            await child.start()
            await child.ended()
            await asyncio.sleep(RESTART_PAUSE_S)
    finally:
        await child.stop()
