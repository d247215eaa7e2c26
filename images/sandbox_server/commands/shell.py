"""The tool `run_shell_command`: one bash per call, in the workspace, inside the user land.

Not here: interactive terminals, and state between calls (files and background processes stay, variables do not).
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox_server.commands.shell_spec import SPEC
from sandbox_server.land.one_shot import OneShot
from sandbox_server.land.userland import UserLand
from sandbox_server.parts import Arguments, Result, Tool, result, text

DEFAULT_TIMEOUT_S = 60.0
# -p: BASH_ENV of the user is for the command itself, not for this line.
_IN_FOLDER = 'cd -- "$1" || exit 126; shift; exec "$@"'


class Shell:
    """Runs shell commands."""

    name = "shell"

    def __init__(self, userland: UserLand) -> None:
        """Run them in this land."""
        self._userland = userland
        self._runs = OneShot(userland, "command")

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
        command = _argv(arguments["command"], arguments.get("cwd"))
        done = await self._runs.run(command, limit, environment=environment)
        return _answer(done.stdout, done.stderr, done.code)


def _argv(command: str, cwd: str | None) -> list[str]:
    run = ["/bin/bash", "-c", command]
    return run if cwd is None else ["/bin/bash", "-p", "-c", _IN_FOLDER, "run_shell_command", cwd, *run]


def _answer(stdout: str, stderr: str, code: int) -> Result:
    items = [text(stdout, "stdout"), *([text(stderr, "stderr")] if stderr else []), text(str(code), "returncode")]
    return result(*items, is_error=code != 0)
