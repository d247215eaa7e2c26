"""A helper process of the box: started, watched, the tail of its output kept, ended with all that it started.

Not here: when to start one again; whoever needs the helper knows that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence

from sandbox_server.land.processes import wait_for_exit
from sandbox_server.parts import PartFailed

TAIL_CHARACTERS = 16_384  # enough for the reason of an end; helpers may talk for days
SAID_CHARACTERS = 2_000
GRACE_S = 1.0


class Child:
    """One process, in a process group of its own; may be started again after its end."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Describe it; `env` is added to the server's own."""
        self.name = name
        self._argv = argv
        self._env = {**os.environ, **(env or {})}
        self._popen: subprocess.Popen[bytes] | None = None
        self._output = ""
        self._changed = asyncio.Event()
        self._gone = False

    async def start(self) -> None:
        """Start it.

        Raises:
            PartFailed: there is no such program, or the container is full.
        """
        self._output, self._gone = "", False
        try:
            self._popen = subprocess.Popen(  # noqa: S603, ASYNC220 - our own helpers; takes a millisecond
                self._argv,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as e:
            raise PartFailed(f"{self.name} cannot be started: {e}") from e
        assert self._popen.stdout is not None
        output = self._popen.stdout.fileno()
        os.set_blocking(output, False)
        asyncio.get_running_loop().add_reader(output, self._read, output)

    async def printed(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait for a line of its output that matches.

        Raises:
            PartFailed: it ended first.
        """
        while not (match := pattern.search(self._output)):
            if self._gone:
                raise PartFailed(await self.obituary())
            self._changed.clear()
            await self._changed.wait()
        return match

    def alive(self) -> bool:
        """Return whether it runs."""
        return self._popen is not None and self._popen.poll() is None

    async def ended(self) -> int:
        """Wait for its end and return the exit code, negative for a signal."""
        assert self._popen is not None, f"{self.name} was not started"
        return await wait_for_exit(self._popen)

    async def obituary(self) -> str:
        """Wait for its end and say how it came, with the tail of the output."""
        code = await self.ended()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}; it last said:\n{self.log_tail() or '(nothing)'}"

    def log_tail(self) -> str:
        """Return the end of what it printed."""
        return self._output[-SAID_CHARACTERS:].strip()

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """End it and its process group: politely first, then for certain."""
        if self._popen is None:
            return
        if self._popen.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended(), grace_s)
        self._signal(signal.SIGKILL)  # also what outlived its parent
        await self.ended()
        self._hang_up()

    def _signal(self, number: signal.Signals) -> None:
        assert self._popen is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def _read(self, output: int) -> None:
        try:
            data = os.read(output, 65_536)
        except BlockingIOError:
            return
        self._output = (self._output + data.decode("utf-8", "replace"))[-TAIL_CHARACTERS:]
        if not data:
            self._hang_up()
        self._changed.set()

    def _hang_up(self) -> None:
        assert self._popen is not None and self._popen.stdout is not None
        if not self._popen.stdout.closed:
            asyncio.get_running_loop().remove_reader(self._popen.stdout.fileno())
            self._popen.stdout.close()
        self._gone = True
        self._changed.set()
