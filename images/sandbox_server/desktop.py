"""The screen of the box: an X server that speaks VNC, a window manager, and the door that viewers come through.

Xvnc is the X server itself, so a change reaches a viewer without polling. Viewers come over a unix socket that only the
server's user can open; websockify carries it to a WebSocket on the desktop port and asks for the door's secret.
Whoever can draw here can also press keys for everybody, so programs need a cookie, and the socket that they connect to
is out of reach of the user's code; what runs here reads no file that the user could have written.
Not here: the viewer's page (the manager), and what is shown (browser).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox_server.child import Child
from sandbox_server.config import BoxConfig
from sandbox_server.parts import PartFailed, Tool

DISPLAY = 1
GEOMETRY = re.compile(r"[1-9]\d{2,3}x[1-9]\d{2,3}")
WINDOW_MANAGER = ("matchbox-window-manager", "-use_titlebar", "no")  # every window fills the screen
ABSTRACT = f"\0/tmp/.X11-unix/X{DISPLAY}"
"""Where programs look for the X server first. A mount cannot hide that, so it does not listen there, and we hold the
name: else the user's code could, and be taken for the screen."""
FAMILY_WILD = 65535
RESTART_PAUSE_S = 0.5
LISTEN_POLL_S = 0.02


class Desktop:
    """The part that owns the display; start it before what draws on it."""

    name = "desktop"

    def __init__(self, config: BoxConfig) -> None:
        """Take the box's facts; the token comes with the assignment."""
        self._config = config
        self._socket = config.run_dir / "desktop.socket"
        self._secret = config.run_dir / "desktop.token"
        self._cookie = config.run_dir / "desktop.cookie"
        self._home = config.run_dir / "desktop"
        self._name_holder = socket.socket(socket.AF_UNIX)
        self._display_up = asyncio.Event()
        self._up = asyncio.Event()
        self._server: Child | None = None
        self._failure: str | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def access(self) -> dict[str, str]:
        """Return the environment of programs that draw here."""
        return {
            "DISPLAY": f":{DISPLAY}",
            "XAUTHORITY": str(self._config.desktop_dir / "cookie"),
        }

    async def start(self) -> None:
        """Start the X server; the rest follows by itself."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        self._name_holder.bind(ABSTRACT)
        (self._home / "kbdconfig").touch(mode=0o600)
        cookie = xauthority(secrets.token_bytes(16))
        write_secret(self._cookie, cookie)
        write_secret(self._config.desktop_dir / "cookie", cookie)  # /run/box is not there for Chromium
        self._server = server = Child("Xvnc", self._server_command(), own_home(self._home))
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

    def log_tail(self) -> str:
        """Return what the X server printed last."""
        return self._server.log_tail() if self._server is not None else ""

    async def close(self) -> None:
        """End the viewers' door, the window manager and the X server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._name_holder.close()

    def _check(self) -> None:
        if self._failure is not None:
            raise PartFailed(self._failure)

    async def _run(self, server: Child) -> None:
        try:
            await server.printed(re.compile(rf"(?m)^{DISPLAY}$"))
            self._display_up.set()
            manager = [*WINDOW_MANAGER, "-kbdconfig", str(self._home / "kbdconfig")]  # empty: no key runs a program
            self._keep(Child("window manager", manager, {**own_home(self._home), **self.access()}))
            assignment = await asyncio.shield(self._config.assignment)
            write_secret(self._secret, door_secret(assignment.token).encode())
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
        width, height = screen_size()
        return [
            "Xvnc", f":{DISPLAY}", "-displayfd", "1", "-geometry", f"{width}x{height}", "-depth", "24",
            "-auth", str(self._cookie),
            "-rfbport", "-1", "-rfbunixpath", str(self._socket), "-rfbunixmode", "0600",
            "-SecurityTypes", "None",  # the socket's mode and websockify's secret keep others out
            "-AlwaysShared", "-FrameRate", os.environ.get("DESKTOP_FRAME_RATE", "60"),
            "-desktop", "sandbox", "-nolisten", "tcp", "-nolisten", "local", "-s", "0", "-dpms",
            "-extension", "GLX",  # software GL would cost 130 MB of libraries; Chromium brings its own
        ]  # fmt: skip

    def _door_command(self) -> list[str]:
        return [
            sys.executable, "-I", "-m", "websockify", f"--unix-target={self._socket}",
            "--auth-plugin", "sandbox_server.desktop_auth.BearerAuth", "--auth-source", str(self._secret),
            "--heartbeat", "30",  # a viewer that vanished is noticed, and its fork ends
            f"0.0.0.0:{self._config.desktop_port}",
        ]  # fmt: skip


def screen_size() -> tuple[int, int]:
    """Return width and height of the screen, in pixels.

    Raises:
        PartFailed: DESKTOP_GEOMETRY makes no sense.
    """
    geometry = os.environ.get("DESKTOP_GEOMETRY", "1280x800")
    if not GEOMETRY.fullmatch(geometry):
        raise PartFailed(f"DESKTOP_GEOMETRY is {geometry!r}, not like 1280x800")
    width, _, height = geometry.partition("x")
    return int(width), int(height)


def write_secret(path: Path, secret: bytes) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)


def door_secret(token: str) -> str:
    """Return what viewers' requests must show: made of the box's token, which itself is written to no file."""
    return hmac.new(token.encode(), b"desktop", hashlib.sha256).hexdigest()


def xauthority(cookie: bytes) -> bytes:
    """Return an Xauthority file with one cookie, for every address and display."""
    fields = (b"", b"", b"MIT-MAGIC-COOKIE-1", cookie)
    return struct.pack(">H", FAMILY_WILD) + b"".join(struct.pack(">H", len(field)) + field for field in fields)


def own_home(home: Path) -> dict[str, str]:
    """Return the environment of a program that finds its configuration below this folder, and not in the user's."""
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
    }


async def _keep_running(child: Child) -> None:
    try:
        while True:
            await child.start()
            await child.ended()
            await asyncio.sleep(RESTART_PAUSE_S)
    finally:
        await child.stop()
