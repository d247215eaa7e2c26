"""The part that runs commands of programs and people: streamed, in the background, in terminals.

It brings no tools: agents have run_shell_command. What it does is in `routes` and `terminal_routes`, which are
imported when the server listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox_server.land.userland import UserLand
from sandbox_server.parts import Tool

if TYPE_CHECKING:
    from aiohttp import web


class Commands:
    """Runs commands in the user land."""

    name = "commands"

    def __init__(self, userland: UserLand) -> None:
        """Run them in this land."""
        self._userland = userland

    async def start(self) -> None:
        """Do nothing: every command is a process of its own."""

    async def ready(self) -> None:
        """Return once commands can run."""
        await self._userland.ready()

    def tools(self) -> Sequence[Tool]:
        """Bring none."""
        return ()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes of the commands and the terminals."""
        from sandbox_server.commands.routes import CommandRoutes
        from sandbox_server.commands.shelf import CommandShelf
        from sandbox_server.commands.terminal_routes import TerminalRoutes
        from sandbox_server.commands.terminal_shelf import TerminalShelf

        commands = CommandRoutes(CommandShelf(self._userland))
        return [*commands.routes(), *TerminalRoutes(TerminalShelf(self._userland)).routes()]

    async def close(self) -> None:
        """Do nothing: commands end with their land."""

    def log_tail(self) -> str:
        """Return nothing: what commands print is their own."""
        return ""
