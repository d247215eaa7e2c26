"""Child processes on the event loop: started without blocking it for long, awaited without a thread.

Not asyncio's own subprocesses: those read pipes to their end, and the pipe of a detached grandchild may never end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence


class Process:
    """A child that leads its own session, so that its whole group can be signalled and nothing else is."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        """Take over a child; use `start` to make one."""
        self._popen = popen
        self.pid = popen.pid

    @classmethod
    def start(cls, argv: Sequence[str], *, env: Mapping[str, str], stdout: int, stderr: int) -> Process:
        """Start a child without stdin; takes a millisecond or two.

        Raises:
            OSError: the process limit is reached, or there is no memory.
        """
        return cls(
            subprocess.Popen(  # noqa: S603 - what users run, they run in the user land
                argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=dict(env), start_new_session=True
            )
        )

    async def wait(self) -> int:
        """Wait for its end; return the exit code, 128 + n where signal n ended it."""
        code = await wait_for_exit(self._popen)
        return code if code >= 0 else 128 - code

    def kill_group(self) -> None:
        """Kill it and every process that did not leave its group; later calls do nothing."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


async def wait_for_exit(popen: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a child without blocking the loop; return what `Popen.wait` returns."""
    if popen.poll() is not None:
        return popen.returncode
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[None] = loop.create_future()
    pidfd = os.pidfd_open(popen.pid)
    try:
        loop.add_reader(pidfd, _set, exited)
        await exited
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
    return popen.wait()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
