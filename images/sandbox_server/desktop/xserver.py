"""The X server of the box: Xvnc, which is a VNC server at the same time; its socket, its cookies, its namespaces.

Whoever can draw can also press keys for everybody, so programs need a cookie. Where the user's code may draw, too
(`shared`), the X server itself is out of reach of what it serves, and the box out of its: it runs in namespaces of its
own, in which neither the box server's processes nor its secrets are. Not here: what is drawn, and how viewers come in.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import struct
from pathlib import Path

from sandbox_server.config import BoxConfig
from sandbox_server.land.child import Child
from sandbox_server.parts import PartFailed

DISPLAY = 1
GEOMETRY = re.compile(r"([1-9]\d{2,3})x([1-9]\d{2,3})")
SOCKETS = Path("/tmp/.X11-unix")  # noqa: S108 - where X servers have them; a mount of its own
ABSTRACT = f"\0{SOCKETS}/X{DISPLAY}"
"""Where programs look for the X server first. A mount cannot hide that, so it does not listen there, and we hold the
name: else the user's code could, and be taken for the screen."""
USER_COOKIE = SOCKETS / "cookie"
"""The user's programs read it there; their view of this folder is read-only."""
FAMILY_WILD = 65535

CONFINE = """set -e
mount -t tmpfs -o ro,size=4k,nr_inodes=1,mode=0 none "$1"
mount -o bind "$2/screen" "$2/screen"
mount -o remount,bind,ro,noexec,nosuid,nodev "$2"
echo 0 >/proc/sys/user/max_user_namespaces
shift 2
exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"
"""
"""What a shared one sees. $1: the server's folder, masked. $2: the desktop's, of which only `screen` can be written."""


class XServer:
    """The one X server; may be started again after its end."""

    def __init__(self, config: BoxConfig, *, shared: bool) -> None:
        """Serve Chromium only, or with `shared` the user's programs, too."""
        self._config = config
        self._shared = shared
        folder = config.desktop_dir / "screen" if shared else config.run_dir
        self.vnc_socket = folder / "desktop.socket"
        """Where viewers are let in, without a question: the folder is the guard."""
        self.socket = SOCKETS / f"X{DISPLAY}"
        """Where programs connect to; who shows the cookie is let in."""
        self.cookie = b""
        self._cookies = folder / "desktop.cookie"
        self._home = config.run_dir / "desktop"
        self._name_holder = socket.socket(socket.AF_UNIX)
        self.size = screen_size()
        """What the screen has when it starts."""
        self.child = Child("Xvnc", ())

    def access(self) -> dict[str, str]:
        """Return the environment of our own programs that draw here."""
        return {"DISPLAY": f":{DISPLAY}", "XAUTHORITY": str(self._config.desktop_dir / "cookie")}

    def hold_name(self) -> None:
        """Take the name that programs look for first, before any code of the user runs; `close` gives it back."""
        self._name_holder.bind(ABSTRACT)

    async def start(self) -> None:
        """Start it; `accepts` says when programs can draw.

        Raises:
            PartFailed: there is no such program, or the container is full.
        """
        self._home.mkdir(mode=0o700, exist_ok=True)
        self._cookies.parent.mkdir(mode=0o700, exist_ok=True)
        self.cookie = secrets.token_bytes(16)
        ours = xauthority(self.cookie)
        theirs = xauthority(secrets.token_bytes(16)) if self._shared else b""
        write_secret(self._cookies, ours + theirs)
        write_secret(self._config.desktop_dir / "cookie", ours)  # /run/box is not there for Chromium
        if theirs:
            write_secret(USER_COOKIE, theirs)
        self.child = Child("Xvnc", self._command(), own_home(self._home))
        await self.child.start()

    async def accepts(self) -> None:
        """Wait until programs can draw.

        Raises:
            PartFailed: it ended.
        """
        await self.child.printed(re.compile(rf"(?m)^{DISPLAY}$"))

    async def close(self) -> None:
        """End it."""
        await self.child.stop()
        self._name_holder.close()

    def _command(self) -> list[str]:
        width, height = self.size
        command = [
            "Xvnc", f":{DISPLAY}", "-displayfd", "1", "-geometry", f"{width}x{height}", "-depth", "24",
            "-auth", str(self._cookies),
            "-rfbport", "-1", "-rfbunixpath", str(self.vnc_socket), "-rfbunixmode", "0600",
            "-SecurityTypes", "None",  # the socket's mode and websockify's secret keep others out
            "-AlwaysShared", "-FrameRate", os.environ.get("DESKTOP_FRAME_RATE", "60"),
            "-desktop", "sandbox", "-nolisten", "tcp", "-nolisten", "local", "-s", "0", "-dpms",
            "-extension", "GLX",  # software GL would cost 130 MB of libraries; Chromium brings its own
        ]  # fmt: skip
        if not self._shared:
            return command
        confined = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--pid", "--ipc", "--fork"]
        confined += ["--mount-proc", "--kill-child", "sh", "-c", CONFINE, "sh"]
        confined += [str(self._config.run_dir), str(self._config.desktop_dir)]
        # Shared memory would be looked for among its own, which are not the programs'.
        return [*confined, *command, "-extension", "MIT-SHM"]


def user_access() -> dict[str, str]:
    """Return the environment of the user's programs that draw on a shared screen."""
    return {"DISPLAY": f":{DISPLAY}", "XAUTHORITY": str(USER_COOKIE)}


def screen_size() -> tuple[int, int]:
    """Return width and height of the screen when it starts, in pixels.

    Raises:
        PartFailed: DESKTOP_GEOMETRY makes no sense.
    """
    geometry = os.environ.get("DESKTOP_GEOMETRY", "1280x800")
    if not (match := GEOMETRY.fullmatch(geometry)):
        raise PartFailed(f"DESKTOP_GEOMETRY is {geometry!r}, not like 1280x800")
    return int(match[1]), int(match[2])


def write_secret(path: Path, secret: bytes) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)


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
