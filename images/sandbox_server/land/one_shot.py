"""One process of the user from its start to its end: a time-out, input, and output that is kept within bounds."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox_server.land.capture import Capture
from sandbox_server.land.processes import Process
from sandbox_server.land.userland import FULL, UserLand
from sandbox_server.parts import PartFailed

OUTPUT_LIMIT = 1 << 20
EXIT_TIMED_OUT = 124  # what timeout(1) returns
EXIT_NOT_STARTED = 126  # what a shell returns for a command that it cannot execute
NO_PROCESS = os.strerror(errno.EAGAIN)  # what every shell says when it cannot fork


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended, and what it said."""

    stdout: str
    stderr: str
    """With a last line of ours where it was not its own end."""
    code: int


class OneShot:
    """Runs such processes in a user land."""

    def __init__(self, userland: UserLand, what: str) -> None:
        """Run them in this land; messages call them `what`."""
        self._userland = userland
        self._what = what

    async def run(
        self,
        command: Sequence[str],
        limit: float,
        *,
        given: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run a command in the workspace; when the time is over, or the caller leaves, it ends with its whole family.

        Args:
            command: The program and its arguments.
            limit: Seconds.
            given: Its input; None is none.
            environment: Variables on top of those that users' code has.
        """
        deadline = asyncio.get_running_loop().time() + limit
        try:
            async with asyncio.timeout_at(deadline):
                argv = await self._userland.command(command)
            # No pipe is open before there is a land: a caller who leaves meanwhile leaves nothing behind.
            process, outputs = self._begin(argv, given, environment or {})
        except (OSError, ValueError, PartFailed) as e:  # no process left, an argument that exec(2) refuses, no land
            cause = f"timed out after {limit:g} s" if isinstance(e, TimeoutError) else str(e)
            return Outcome("", f"the {self._what} could not be started: {cause}", EXIT_NOT_STARTED)
        return await self._finish(process, outputs, limit, deadline)

    def _begin(
        self, argv: list[str], given: bytes | None, environment: Mapping[str, str]
    ) -> tuple[Process, tuple[Capture, Capture]]:
        stdin = subprocess.DEVNULL if given is None else _file_of(given)
        try:
            stdout, stderr = outputs = Capture(OUTPUT_LIMIT), Capture(OUTPUT_LIMIT)
            try:
                process = Process.start(
                    argv,
                    env=self._userland.entrance(environment),
                    stdout=stdout.write_fd,
                    stderr=stderr.write_fd,
                    stdin=stdin,
                )
            except BaseException:
                for output in outputs:
                    output.abandon()
                raise
        finally:
            if given is not None:
                os.close(stdin)
        for output in outputs:
            output.begin()
        return process, outputs

    async def _finish(
        self, process: Process, outputs: tuple[Capture, Capture], limit: float, deadline: float
    ) -> Outcome:
        notes = ""
        try:
            async with asyncio.timeout_at(deadline):
                code = await process.wait()
        except TimeoutError:
            process.kill_tree()
            await process.wait()
            code = EXIT_TIMED_OUT
            notes = f"timed out after {limit:g} s: the {self._what} and its children were killed"
        finally:
            process.kill_tree()  # a cancelled call leaves nothing behind
            for output in outputs:
                output.drain()
                output.detach()
        stdout, stderr = (output.text() for output in outputs)
        if NO_PROCESS in stderr and await self._userland.end_if_full():
            notes = "\n".join(filter(None, (notes, FULL)))
            code = code or EXIT_NOT_STARTED
        return Outcome(stdout, "\n".join(filter(None, (stderr, notes))), code)


def _file_of(content: bytes) -> int:
    """Return a descriptor from which this can be read: a file in memory, since a pipe holds only so much at a time."""
    fd = os.memfd_create("input")
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd
