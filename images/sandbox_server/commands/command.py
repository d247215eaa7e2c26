"""One command: from its start to its end, whoever reads along, and what of it can still be asked afterwards.

A command in the background runs until it ends. One in the foreground belongs to those who follow its output: it waits
for them when they are slow, and is killed when the last one leaves, or when nobody came. Not here: which commands there
are (`shelf`), and HTTP (`routes`).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sandbox_server.commands.input import CommandInput
from sandbox_server.commands.output import CommandOutput, Reader
from sandbox_server.commands.program import Files, Order, Program
from sandbox_server.land.userland import UserLand
from sandbox_server.problems import invalid_request

EXIT_TIMED_OUT = 124  # what timeout(1) returns
FOLLOWER_WITHIN_S = 30.0
"""How long a command in the foreground waits for somebody to follow it."""


class State(StrEnum):
    """Where a command is in its life; all but the first are for ever."""

    RUNNING = "running"  #: it has not ended yet
    EXITED = "exited"  #: it ended by itself; the exit code says how well
    KILLED = "killed"  #: a signal ended it, whoever sent that
    TIMED_OUT = "timed_out"  #: it took longer than it was given, and was killed with all its children


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to be run."""

    command: str
    order: Order
    timeout: float | None
    """Seconds; None: as long as it takes."""
    background: bool
    stdin: bool
    """Whether its stdin stays open for more input."""
    input: bytes
    """What it finds on its stdin from the beginning."""


class Command:
    """A command that runs, or has ended."""

    def __init__(self, wish: Wish, program: Program, output: CommandOutput, stdin: CommandInput | None) -> None:
        """Take over a started program; use `start`."""
        self.command_id = f"cmd-{secrets.token_hex(8)}"
        self.output = output
        self.state = State.RUNNING
        self.exit_code: int | None = None
        self.ended_at: float | None = None
        self._wish = wish
        self._program = program
        self._stdin = stdin
        self._started_at = time.time()
        self._followers = 0
        self._ends_as: State | None = None
        """What its end will be called, if it is us who end it."""
        loop = asyncio.get_running_loop()
        self._lonely = None if wish.background else loop.call_later(FOLLOWER_WITHIN_S, self.kill)
        self._deadline = None if wish.timeout is None else loop.call_later(wish.timeout, self.kill, State.TIMED_OUT)
        self._watching = asyncio.create_task(self._watch(), name=f"command {self.command_id}")

    @classmethod
    async def start(cls, userland: UserLand, wish: Wish) -> Command:
        """Start it.

        Raises:
            Problem: it cannot be started, because of what was asked or because there is no room.
        """
        output = CommandOutput(lossless=not wish.background)
        stdin = CommandInput() if wish.stdin or wish.input else None
        try:
            stdout, stderr = output.write_fds
            files = Files(subprocess.DEVNULL if stdin is None else stdin.read_fd, stdout, stderr)
            program = await Program.start(userland, wish.order, files)
        except BaseException:
            output.abandon()
            if stdin is not None:
                stdin.close()
            raise
        output.begin()
        if stdin is not None:
            stdin.begin(wish.input, stay_open=wish.stdin)
        # The input may be long, and is not needed any more.
        return cls(replace(wish, input=b""), program, output, stdin)

    def described(self) -> dict[str, Any]:
        """Return what there is to know of it, as JSON."""
        return {
            "command_id": self.command_id,
            "command": self._wish.command,
            "background": self._wish.background,
            "state": self.state.value,
            "exit_code": self.exit_code,
            "pid": self._program.pid,
            "started_at": self._started_at,
            "ended_at": self.ended_at,
        }

    def ending(self) -> dict[str, Any]:
        """Return how it ended, as JSON."""
        return {"state": self.state.value, "exit_code": self.exit_code, "ended_at": self.ended_at}

    @contextlib.contextmanager
    def followed(self, position: int) -> Iterator[Reader]:
        """Follow it from a position on; who follows a command in the foreground last takes it along."""
        self._followers += 1
        if self._lonely is not None:
            self._lonely.cancel()
        try:
            with self.output.reading(position) as reader:
                yield reader
        finally:
            self._followers -= 1
            if not (self._followers or self._wish.background) and self.state is State.RUNNING:
                self.kill()

    async def write(self, data: bytes, *, end: bool) -> None:
        """Write to its stdin, no faster than it reads; with `end` that is closed afterwards.

        Raises:
            Problem: it was started without, it was closed before, or nobody reads it any more.
        """
        if self._stdin is None:
            raise invalid_request(f"{self.command_id} was started without stdin: true, so nothing can be written to it")
        if self.state is not State.RUNNING:
            raise invalid_request(f"{self.command_id} has ended ({self.state.value}); nothing reads its stdin any more")
        await self._stdin.write(data, self.command_id)
        if end:
            self.end_input()

    def end_input(self) -> None:
        """Close its stdin, if that is open."""
        if self._stdin is not None:
            self._stdin.close()

    async def ended(self, patience_s: float) -> None:
        """Wait for its end, or until so many seconds are over."""
        if patience_s:
            await asyncio.wait([self._watching], timeout=patience_s)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group; KILL kills what it started, too, and what outlived it.

        Raises:
            Problem: it has ended.
        """
        if number is signal.SIGKILL:
            self.kill()
        elif self.state is State.RUNNING:
            self._program.signal(number)
        else:
            raise invalid_request(f"{self.command_id} has ended ({self.state.value}); no {number.name} can reach it")

    def kill(self, ends_as: State = State.KILLED) -> None:
        """Kill it with all that it started; also what outlived it in its session."""
        if self.state is State.RUNNING and self._ends_as is None:
            self._ends_as = ends_as
        self.output.release()
        self._program.kill()

    async def close(self) -> None:
        """Kill it with what outlived it, wait for its end, and let go of its output."""
        self.kill()
        await asyncio.shield(self._watching)
        self.output.forget()

    def forget(self) -> None:
        """Let go of its output, of which it will be asked no more; what outlived it lives on."""
        self.output.forget()

    async def _watch(self) -> None:
        code = await self._program.wait()
        for timer in (self._lonely, self._deadline):
            if timer is not None:
                timer.cancel()
        if self._ends_as is None:
            self.state = State.KILLED if self._program.signalled else State.EXITED
        else:
            self.state = self._ends_as
        self.exit_code = EXIT_TIMED_OUT if self.state is State.TIMED_OUT else code
        self.ended_at = time.time()
        if self._stdin is not None:
            self._stdin.close()
        self.output.exited()
