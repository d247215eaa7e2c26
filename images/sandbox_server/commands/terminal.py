"""One terminal: a shell, or another program, on a pseudo-terminal, for any number of viewers.

Not here: what its viewers see, and when (`terminal_screen`); which terminals there are (`terminal_shelf`), and HTTP
(`terminal_routes`).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox_server.commands.program import Files, Order, Program
from sandbox_server.commands.terminal_screen import CHUNK, Screen
from sandbox_server.land.userland import UserLand

INPUT_MAX = 1 << 20  # keys and pasted text that wait for a program to read them
DRAIN_CHUNKS = 16  # a pseudo-terminal holds less than this when its program ends
ENVIRONMENT = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


@dataclass(frozen=True, slots=True)
class Size:
    """Of a screen, in characters."""

    columns: int = 80
    rows: int = 24


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to see in a terminal."""

    size: Size
    command: str | None = None
    """For bash; None: an interactive bash."""
    cwd: str | None = None
    environment: Mapping[str, str] | None = None


class Terminal:
    """A program on a pseudo-terminal; it runs, or has ended and shows its last words."""

    def __init__(self, terminal_id: str, wish: Wish, master: int, program: Program) -> None:
        """Take over a started program; use `start`."""
        self.terminal_id = terminal_id
        self.size = wish.size
        self.exit_code: int | None = None
        self.ended_at: float | None = None
        self.screen = Screen(self._hold)
        self._command = wish.command
        self._master = master
        self._program = program
        self._started_at = time.time()
        self._input = bytearray()
        self._hold(False)
        self._watching = asyncio.create_task(self._watch(), name=f"terminal {terminal_id}")

    @classmethod
    async def start(cls, terminal_id: str, userland: UserLand, wish: Wish) -> Terminal:
        """Start it.

        Raises:
            Problem: it cannot be started, because of what was asked or because there is no room.
        """
        master, slave = os.openpty()
        try:
            os.set_blocking(master, False)
            _resize(master, wish.size)
            argv: Sequence[str] = ["/bin/bash"] if wish.command is None else ["/bin/bash", "-c", wish.command]
            order = Order(argv, wish.cwd, {**ENVIRONMENT, **(wish.environment or {})}, terminal=True)
            program = await Program.start(userland, order, Files(slave, slave, slave))
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        return cls(terminal_id, wish, master, program)

    def described(self) -> dict[str, Any]:
        """Return what there is to know of it, as JSON."""
        return {
            "terminal_id": self.terminal_id,
            "command": self._command,
            "state": "running" if self.ended_at is None else "exited",
            "exit_code": self.exit_code,
            "pid": self._program.pid,
            "columns": self.size.columns,
            "rows": self.size.rows,
            "viewers": len(self.screen.viewers),
            "started_at": self._started_at,
            "ended_at": self.ended_at,
        }

    def write(self, data: bytes) -> bool:
        """Give the program keys to read, now or when it does; return False if too much waits for it already."""
        if self.ended_at is not None:
            return True
        if len(self._input) + len(data) > INPUT_MAX:
            return False
        self._input += data
        self._writable()
        return True

    def resize(self, size: Size) -> None:
        """Give the screen another size, for all viewers; the program is told."""
        if size != self.size and self.ended_at is None:
            self.size = size
            _resize(self._master, size)
            self.screen.tell()

    async def close(self) -> None:
        """End it with all that it started."""
        self._program.kill()
        await asyncio.shield(self._watching)

    def _hold(self, wait: bool) -> None:
        if self.ended_at is not None:
            return  # the number of our end may be somebody else's by now
        loop = asyncio.get_running_loop()
        if wait:
            loop.remove_reader(self._master)
        else:
            loop.add_reader(self._master, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the other side open; `_watch` sees the end
            asyncio.get_running_loop().remove_reader(self._master)
            return
        self.screen.add(data)

    def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            del self._input[: os.write(self._master, self._input[:CHUNK])]
        except BlockingIOError:
            pass
        except OSError:  # nobody will read it
            self._input.clear()
        if self._input:
            loop.add_writer(self._master, self._writable)
        else:
            loop.remove_writer(self._master)

    async def _watch(self) -> None:
        self.exit_code = await self._program.wait()
        for _ in range(DRAIN_CHUNKS):
            self._readable()
        self.ended_at = time.time()
        self.screen.close()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        os.close(self._master)
        self._input.clear()
        self.screen.tell()


def _resize(master: int, size: Size) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))
