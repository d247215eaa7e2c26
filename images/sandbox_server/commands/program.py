"""One program of the user, started in the user land, in a folder and with variables of its own; it leads a session.

Shared by commands and terminals. A start is reported from inside the land: only there is it known whether the folder
can be entered, and under which number the program runs. Not here: what becomes of its output (`output`,
`terminal`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sandbox_server.land.processes import Process, child_of, kill_session
from sandbox_server.land.userland import UserLand
from sandbox_server.parts import PartFailed
from sandbox_server.problems import invalid_request, unavailable

START_TIMEOUT_S = 20.0
REPORT_LIMIT = 256
ARGUMENT_LIMIT_KIB = 128  # of Linux, for one argument or variable

# -p: BASH_ENV of the user is for the program itself, not for these lines. $1 is where to report, $2 the folder.
_START = """report=$1 folder=$2; shift 2
if ! cd -- "$folder" 2>/dev/null; then echo folder >&"$report"; exit 126; fi
echo "$$" >&"$report"; eval "exec $report>&-"; exec -- "$@"
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What to start, and how."""

    argv: Sequence[str]
    cwd: str | None = None
    """A folder as the program sees it; relative ones start at the workspace, which is also the default."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """On top of what everything of the user gets."""
    terminal: bool = False
    """Whether its stdin is a terminal that it shall control."""


@dataclass(frozen=True, slots=True)
class Files:
    """The file descriptors that a program gets as its stdin, stdout and stderr."""

    stdin: int
    stdout: int
    stderr: int


class Program:
    """A program that runs, or has ended."""

    def __init__(self, process: Process, pid: int) -> None:
        """Take over a started process; use `start`."""
        self._process = process
        self.pid = pid
        """Its number as the user's code sees it."""
        self._leader = child_of(process.pid)  # the same one as we see it; None: it has ended already

    @classmethod
    async def start(cls, userland: UserLand, order: Order, files: Files) -> Program:
        """Start a program; return once it runs.

        Raises:
            Problem: the folder or a variable is wrong, or there is no room for another process.
        """
        _check(order)
        report, write_report = os.pipe()
        try:
            process = await cls._spawn(userland, order, files, write_report)
        except BaseException:
            os.close(report)
            raise
        finally:
            os.close(write_report)
        try:
            word = await _word(report)
        except BaseException:
            process.kill_tree()
            raise
        if word.isdigit():
            return cls(process, int(word))
        process.kill_tree()
        await process.wait()
        if word == "folder":
            raise invalid_request(f"cwd: there is no folder {order.cwd!r} that a command could run in")
        if await userland.end_if_full():
            raise unavailable(f"the command could not be started: {userland.ended_because}")
        raise unavailable("the command could not be started: something ended it before it ran; try again")

    @staticmethod
    async def _spawn(userland: UserLand, order: Order, files: Files, report: int) -> Process:
        # setsid does not fork here: nsenter leads the group that it leaves.
        argv = ["/usr/bin/setsid", *(["--ctty"] if order.terminal else []), "--"]
        argv += ["/bin/bash", "-p", "-c", _START, "start", str(report), order.cwd or ".", *order.argv]
        try:
            return Process.start(
                await userland.command(argv),
                env=userland.entrance(order.environment),
                stdin=files.stdin,
                stdout=files.stdout,
                stderr=files.stderr,
                pass_fds=(report,),
            )
        except PartFailed as e:
            raise unavailable(f"the command could not be started: {e}") from e
        except OSError as e:
            if e.errno == errno.E2BIG:
                raise invalid_request(
                    f"the command or its environment is longer than {ARGUMENT_LIMIT_KIB} KiB, the most that Linux "
                    "takes; write it to a file and run that, or send it as its input"
                ) from e
            raise unavailable(f"the command could not be started: {e}") from e

    @property
    def signalled(self) -> bool:
        """Whether a signal ended it."""
        return self._process.signalled

    async def wait(self) -> int:
        """Wait for its end; return the exit code, 128 + n where signal n ended it."""
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group."""
        if self._leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._leader, number)

    def kill(self) -> None:
        """Kill it, all its descendants, and what else is in its session; fine when it has ended."""
        running = not self._process.ended
        self._process.kill_tree()
        if self._leader is not None:
            kill_session(self._leader, ours=running)


def _check(order: Order) -> None:
    parts = {"cwd": [order.cwd or ""], "command": order.argv, "environment": order.environment.values()}
    for what, texts in parts.items():
        if any("\0" in text for text in texts):  # the only character that exec(2) cannot pass on
            raise invalid_request(f"{what} must be text without zero bytes")


async def _word(report: int) -> str:
    """Read what is said of a start, and close the pipe; nothing if the program never came so far."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=REPORT_LIMIT)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(report, "rb", buffering=0)
    )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            return (await reader.readline()).decode().strip()
    except (TimeoutError, ValueError):
        return ""
    finally:
        transport.close()
