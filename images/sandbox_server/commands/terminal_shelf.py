"""The terminals of a sandbox: which there are, how many there may be, and which ended ones are remembered."""

from __future__ import annotations

import asyncio
import re
import secrets

from sandbox_server.commands.terminal import Terminal, Wish
from sandbox_server.land.userland import UserLand
from sandbox_server.problems import command_not_found, invalid_request, unavailable

RUNNING_MAX = 16
ENDED_MAX = 8
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class TerminalShelf:
    """Terminals by id, in the order in which they were started."""

    def __init__(self, userland: UserLand) -> None:
        """Run them in this land."""
        self._userland = userland
        self._terminals: dict[str, Terminal] = {}
        self._turn = asyncio.Lock()

    async def open(self, wish: Wish, terminal_id: str | None = None) -> Terminal:
        """Start a terminal; one of this id that runs is returned as it is.

        Raises:
            Problem: it cannot be started, or too many run.
        """
        if terminal_id is not None and not NAME.fullmatch(terminal_id):
            raise invalid_request(f"a terminal can be called by letters, digits, - and _, not {terminal_id!r}")
        async with self._turn:  # two who open the same one get the same one
            terminal_id = terminal_id or f"term-{secrets.token_hex(8)}"
            known = self._terminals.get(terminal_id)
            if known is not None and known.ended_at is None:
                return known
            if sum(each.ended_at is None for each in self._terminals.values()) >= RUNNING_MAX:
                raise unavailable(f"{RUNNING_MAX} terminals run in this sandbox, the most there can be; end one")
            terminal = await Terminal.start(terminal_id, self._userland, wish)
            self._terminals.pop(terminal_id, None)
            self._terminals[terminal_id] = terminal
        self._forget_old()
        return terminal

    def all(self) -> list[Terminal]:
        """Return those that run, and those that ended and are remembered."""
        return list(self._terminals.values())

    def get(self, terminal_id: str) -> Terminal:
        """Return one.

        Raises:
            Problem: there is none.
        """
        try:
            return self._terminals[terminal_id]
        except KeyError:
            raise command_not_found(f"there is no terminal {terminal_id!r}: it was removed, or ended") from None

    async def remove(self, terminal_id: str) -> None:
        """End a terminal with all that it started, and forget it; a missing one is fine."""
        if (terminal := self._terminals.pop(terminal_id, None)) is not None:
            await terminal.close()

    def _forget_old(self) -> None:
        ended = [each for each in self._terminals.values() if each.ended_at is not None]
        for old in sorted(ended, key=lambda each: each.ended_at or 0.0)[:-ENDED_MAX]:
            del self._terminals[old.terminal_id]
