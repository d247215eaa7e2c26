"""A user land: nested namespaces in which code of the user runs, away from the server's memory, secrets and life.

Light on purpose (no asyncio): a land is spawned before the server's heavy imports and comes up beside them. Who keeps
one alive is `userland`; what it looks like inside is `userland.sh` and `userland.fstab`.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_HERE = Path(__file__).parent
MOUNTS = "/run/box/userland.mounts"
START_TIMEOUT_S = 20.0
PROCESSES = {"browser": 256, "gui": 256}
PROCESSES_DEFAULT = 384
"""How many of the container's 512 processes and threads the code of the user may take, by what a box is made like: the
server can always start one, and a browser needs some two hundred."""

WITH_SCREEN = frozenset({"filesystem", "gui"})
"""Types of box whose users' programs may draw on the screen; from the others its socket is hidden."""
SCREEN_SOCKETS = {True: "shown", False: "hidden"}

FULL_MARGIN = 16
"""How many below its limit a land counts as full: what could not start has gone by then, and others may have ended."""

OUTSIDE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
"""The environment of all that leads into a land. It runs outside: with the PATH of the user, say, it would run programs
of the user there."""

_PRELUDE = """ulimit -p "$1"; echo 500 >/proc/self/oom_score_adj; cd "$2"; shift 2
eval "$BOX_EXPORT"; unset BOX_EXPORT; exec "$@"
"""
"""What every process of the user goes through: its share of the processes; first to go when memory runs out; its
folder; its environment. setns(2) has put it into the root folder, and none of this outlives a process, so PID 1 cannot
do it."""


class LandFailed(Exception):
    """The namespaces cannot be made, or are gone; the message has what the tools said."""


class Land:
    """One set of namespaces and their PID 1. Code inside cannot see, trace or signal anything outside."""

    def __init__(self, init: subprocess.Popen[bytes], processes: int) -> None:
        """Take over a freshly started `unshare`; use `spawn`."""
        self.init = init
        self._processes = processes
        self._said = b""
        self._ready = False

    @classmethod
    def spawn(cls, parts: str) -> Land:
        """Begin to make the land of a box that is made like this type; `wait_ready` says when it stands."""
        argv = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--pid", "--ipc", "--fork"]
        argv += ["--mount-proc", "--kill-child", "sh"]
        argv += [str(_HERE / "userland.sh"), str(_HERE / "userland.fstab"), MOUNTS]
        argv += [SCREEN_SOCKETS[parts in WITH_SCREEN]]
        init = subprocess.Popen(  # noqa: S603 - fixed arguments
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=OUTSIDE,
            bufsize=0,
        )
        return cls(init, PROCESSES.get(parts, PROCESSES_DEFAULT))

    def wait_ready(self, timeout: float = START_TIMEOUT_S) -> None:
        """Block until the land stands: some 30 ms after `spawn`.

        Raises:
            LandFailed: it will never stand; the cure is in the message.
        """
        deadline = time.monotonic() + timeout
        while not self._ready:
            self._read(max(0.0, deadline - time.monotonic()))

    def alive(self) -> bool:
        """Return whether its PID 1 still runs."""
        return self.init.poll() is None

    def command(self, argv: Sequence[str], *, cwd: str = "/workspace") -> list[str]:
        """Return the command that runs `argv` inside this land, with no capability; start it with `entrance`."""
        # The namespaces are reached through `unshare`, which waits outside of the pid namespace that it made.
        spaces = f"/proc/{self.init.pid}/ns"
        enter = ["nsenter", f"--user={spaces}/user", f"--mount={spaces}/mnt", f"--ipc={spaces}/ipc"]
        enter += [f"--pid={spaces}/pid_for_children", "--preserve-credentials", "--"]
        return [*enter, "sh", "-c", _PRELUDE, "sh", self._limit(), cwd, *argv]

    def full(self) -> bool:
        """Return whether code of the user has taken all the processes and threads that it may, or nearly."""
        return _tasks(f"/proc/{self.init.pid}/ns/pid_for_children") > self._processes - FULL_MARGIN

    def kill(self) -> None:
        """End it and all that runs in it."""
        # `--kill-child` hands the signal on to PID 1, and the kernel ends what is below that.
        self.init.kill()

    def _limit(self) -> str:
        # Before Linux 5.14 the count is one for all processes of this uid on the host, other boxes' included.
        major, minor = (int(part) for part in os.uname().release.split(".")[:2])
        return str(self._processes) if (major, minor) >= (5, 14) else "unlimited"

    def _read(self, timeout: float) -> None:
        assert self.init.stdout is not None
        if not select.select([self.init.stdout], [], [], timeout)[0]:
            raise LandFailed(f"the user land did not stand in time: {self._words()}")
        chunk = self.init.stdout.read(4096)
        self._said += chunk
        if not chunk:
            raise LandFailed(
                f"the user land cannot be made: {self._words()}. The container needs our seccomp profile, an unmasked "
                "/proc (empty MaskedPaths and ReadonlyPaths), and a host that allows user namespaces."
            )
        self._ready = self._said.endswith(b"ready\n")

    def _words(self) -> str:
        return self._said.decode(errors="replace").strip() or "nothing was said"


def _tasks(space: str) -> int:
    """Count the processes and threads in a pid namespace."""
    count = 0
    with contextlib.suppress(OSError):
        wanted = os.readlink(space)
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # it went while we looked
                if os.readlink(f"/proc/{entry}/ns/pid") == wanted:
                    count += len(os.listdir(f"/proc/{entry}/task"))
    return count


def entrance(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment to start a land's `command` with, so that what it runs has this one, once it is inside."""
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    return {**OUTSIDE, "BOX_EXPORT": f"export {variables}"}
