"""The tool `run_shell_command`: one bash per call, in the workspace, inside the user land.

Not here: interactive terminals, and state between calls (files and background processes stay, variables do not).
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping, Sequence

from sandbox_server.capture import Capture
from sandbox_server.parts import Arguments, PartFailed, Result, Tool, result, text
from sandbox_server.processes import Process
from sandbox_server.shell_spec import SPEC
from sandbox_server.userland import FULL, UserLand

DEFAULT_TIMEOUT_S = 60.0
OUTPUT_LIMIT = 1 << 20
EXIT_TIMED_OUT = 124  # what timeout(1) returns
EXIT_NOT_STARTED = 126  # what a shell returns for a command that it cannot execute
# -p: BASH_ENV of the user is for the command itself, not for this line.
_IN_FOLDER = 'cd -- "$1" || exit 126; shift; exec "$@"'
NO_PROCESS = os.strerror(errno.EAGAIN)  # what every shell says when it cannot fork


class Shell:
    """Runs shell commands."""

    name = "shell"

    def __init__(self, userland: UserLand) -> None:
        """Run them in this land."""
        self._userland = userland

    async def start(self) -> None:
        """Do nothing: every command is a process of its own."""

    async def ready(self) -> None:
        """Return once commands can run."""
        await self._userland.ready()

    def tools(self) -> Sequence[Tool]:
        """Return `run_shell_command`."""
        return (SPEC.tool(self._call),)

    async def close(self) -> None:
        """Do nothing: commands end with their land."""

    def log_tail(self) -> str:
        """Return nothing: what commands print is in their results."""
        return ""

    async def _call(self, arguments: Arguments, timeout_s: float | None) -> Result:
        environment = arguments.get("environment", {})
        timeout_s = arguments.get("timeout", timeout_s)
        limit = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        deadline = asyncio.get_running_loop().time() + limit
        try:
            async with asyncio.timeout_at(deadline):
                argv = await self._userland.command(_argv(arguments["command"], arguments.get("cwd")))
            # No pipe is open before there is a land: a caller who leaves meanwhile leaves nothing behind.
            process, outputs = self._begin(argv, environment)
        except (OSError, ValueError, PartFailed) as e:  # no process left, an argument that exec(2) refuses, no land
            cause = f"timed out after {limit:g} s" if isinstance(e, TimeoutError) else str(e)
            return _answer("", f"the command could not be started: {cause}", EXIT_NOT_STARTED)
        return await self._finish(process, outputs, limit, deadline)

    def _begin(self, argv: list[str], more: Mapping[str, str]) -> tuple[Process, tuple[Capture, Capture]]:
        stdout, stderr = outputs = Capture(OUTPUT_LIMIT), Capture(OUTPUT_LIMIT)
        try:
            env = self._userland.entrance(more)
            process = Process.start(argv, env=env, stdout=stdout.write_fd, stderr=stderr.write_fd)
        except BaseException:
            for output in outputs:
                output.abandon()
            raise
        for output in outputs:
            output.begin()
        return process, outputs

    async def _finish(
        self, process: Process, outputs: tuple[Capture, Capture], limit: float, deadline: float
    ) -> Result:
        notes = ""
        try:
            async with asyncio.timeout_at(deadline):
                code = await process.wait()
        except TimeoutError:
            process.kill_tree()
            await process.wait()
            code = EXIT_TIMED_OUT
            notes = f"timed out after {limit:g} s: the command and its children were killed"
        finally:
            process.kill_tree()  # a cancelled call leaves nothing behind
            for output in outputs:
                output.drain()
                output.detach()
        stdout, stderr = (output.text() for output in outputs)
        if NO_PROCESS in stderr and await self._userland.end_if_full():
            notes = "\n".join(filter(None, (notes, FULL)))
            code = code or EXIT_NOT_STARTED
        return _answer(stdout, "\n".join(filter(None, (stderr, notes))), code)


def _argv(command: str, cwd: str | None) -> list[str]:
    run = ["/bin/bash", "-c", command]
    return run if cwd is None else ["/bin/bash", "-p", "-c", _IN_FOLDER, "run_shell_command", cwd, *run]


def _answer(stdout: str, stderr: str, code: int) -> Result:
    items = [text(stdout, "stdout"), *([text(stderr, "stderr")] if stderr else []), text(str(code), "returncode")]
    return result(*items, is_error=code != 0)
