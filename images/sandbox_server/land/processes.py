"""Child processes on the event loop: started without blocking it for long, awaited without a thread.

Not asyncio's own subprocesses: those read pipes to their end, and the pipe of a detached grandchild may never end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

FAMILY_ROUNDS = 10  # a process that forks as fast as it can is stopped after two or three


class Process:
    """A child that leads its own session, so that its whole group can be signalled and nothing else is."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        """Take over a child; use `start` to make one."""
        self._popen = popen
        self.pid = popen.pid

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdout: int,
        stderr: int,
        stdin: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> Process:
        """Start a child, without stdin if none is given; takes a millisecond or two.

        Raises:
            OSError: the process limit is reached, or there is no memory.
        """
        return cls(
            subprocess.Popen(  # noqa: S603 - what users run, they run in the user land
                argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=dict(env),
                pass_fds=pass_fds,
                start_new_session=True,
            )
        )

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    @property
    def signalled(self) -> bool:
        """Whether a signal ended it; False while it runs."""
        return (self._popen.poll() or 0) < 0

    async def wait(self) -> int:
        """Wait for its end; return the exit code, 128 + n where signal n ended it."""
        code = await wait_for_exit(self._popen)
        return code if code >= 0 else 128 - code

    async def gone(self) -> None:
        """Wait for its end, and leave its number taken, so that it still names its group."""
        if self._popen.returncode is None:
            await _exited(self.pid)

    def kill_group(self) -> None:
        """Kill what is in its group, also after its own end; nothing once that end was waited for."""
        if self._popen.returncode is None:  # else its number may be somebody else's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def kill_tree(self) -> None:
        """Kill it, its group and all its descendants, also those in sessions of their own; later calls do nothing.

        What spares a process is that its parent had ended before: then nothing tells whose child it was.
        """
        if self._popen.poll() is not None:
            return
        # Stopped first, so that none can make another meanwhile, or lose its parent while we look.
        family = {self.pid}
        for _ in range(FAMILY_ROUNDS):
            _signal(family, signal.SIGSTOP)
            grown = family | _descendants(family)
            if grown == family:
                break
            family = grown
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        _signal(family, signal.SIGKILL)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def child_of(pid: int) -> int | None:
    """Return the oldest child of a process; None if it has none, or has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        return min(map(int, file.read().split()), default=None)
    # Not every kernel has that file.
    return min((each.pid for each in _processes() if each.parent == pid), default=None)


def kill_session(leader: int, *, ours: bool) -> None:
    """Kill what is in a session whose leader is `ours`, or was; in a stranger's that got the same number, nothing."""
    members = [each.pid for each in _processes() if each.session == leader]
    if ours or leader not in members:  # while others are in it, the kernel gives its number to nobody
        _signal(members, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One line of /proc."""

    pid: int
    parent: int
    session: int


def _processes() -> Iterator[_Seen]:
    """Yield the processes that /proc has now."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
                # pid (name) state parent group session …: the name may have anything in it.
                fields = file.read().rpartition(b")")[2].split()
                yield _Seen(int(entry), int(fields[1]), int(fields[3]))


def _descendants(roots: Iterable[int]) -> set[int]:
    """Return the processes below these, as /proc has them now."""
    children: dict[int, list[int]] = {}
    for each in _processes():
        children.setdefault(each.parent, []).append(each.pid)
    found: set[int] = set()
    todo = list(roots)
    while todo:
        new = [pid for pid in children.get(todo.pop(), []) if pid not in found]
        found.update(new)
        todo.extend(new)
    return found


async def wait_for_exit(popen: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a child without blocking the loop; return what `Popen.wait` returns."""
    if popen.poll() is not None:
        return popen.returncode
    await _exited(popen.pid)
    return popen.wait()


async def _exited(pid: int) -> None:
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[None] = loop.create_future()
    pidfd = os.pidfd_open(pid)
    try:
        loop.add_reader(pidfd, _set, exited)
        await exited
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
