"""The commands of a sandbox: which there are, how many there may be, and for how long ended ones are remembered.

What one command is stands in `command`; how it is asked for over HTTP in `routes`.
"""

from __future__ import annotations

from sandbox_server.commands.command import Command, State, Wish
from sandbox_server.land.userland import UserLand
from sandbox_server.problems import command_not_found, unavailable

RUNNING_MAX = 64
ENDED_MAX = 64
ENDED_COST_MAX = 16 << 20  # of kept output, in bytes; commands that run keep two MiB each at most


class CommandShelf:
    """Commands by id, in the order in which they were started."""

    def __init__(self, userland: UserLand) -> None:
        """Run them in this land."""
        self._userland = userland
        self._commands: dict[str, Command] = {}
        self._starting = 0

    async def run(self, wish: Wish) -> Command:
        """Start a command.

        Raises:
            Problem: it cannot be started, or too many run.
        """
        if self._running() + self._starting >= RUNNING_MAX:
            raise unavailable(f"{RUNNING_MAX} commands run in this sandbox, the most there can be; kill one, or wait")
        self._starting += 1
        try:
            command = await Command.start(self._userland, wish)
        finally:
            self._starting -= 1
        self._commands[command.command_id] = command
        self._forget_old()
        return command

    def all(self) -> list[Command]:
        """Return those that run, and those that ended and are remembered."""
        return list(self._commands.values())

    def get(self, command_id: str) -> Command:
        """Return one.

        Raises:
            Problem: there is none.
        """
        try:
            return self._commands[command_id]
        except KeyError:
            raise command_not_found(
                f"there is no command {command_id!r}; it was removed, or {ENDED_MAX} others have ended since it did"
            ) from None

    async def remove(self, command_id: str) -> None:
        """Kill a command with all that it started, and forget it; a missing one is fine."""
        if (command := self._commands.pop(command_id, None)) is not None:
            await command.close()

    def _running(self) -> int:
        return sum(command.state is State.RUNNING for command in self._commands.values())

    def _forget_old(self) -> None:
        """Forget those that ended first, while there are too many, or their output takes too much."""
        ended = [command for command in self._commands.values() if command.ended_at is not None]
        ended.sort(key=lambda command: command.ended_at or 0.0)
        cost = sum(command.output.cost for command in ended)
        while ended and (len(ended) > ENDED_MAX or cost > ENDED_COST_MAX):
            oldest = ended.pop(0)
            cost -= oldest.output.cost
            self._commands.pop(oldest.command_id, None)
            oldest.forget()
