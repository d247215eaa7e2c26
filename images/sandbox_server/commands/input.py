"""The stdin of a command: a pipe that is written no faster than the command reads."""

from __future__ import annotations

import asyncio
import contextlib
import os

from sandbox_server.problems import invalid_request

CHUNK = 1 << 16


class CommandInput:
    """The writing end of a pipe; give `read_fd` to a child, then call `begin`."""

    def __init__(self) -> None:
        """Open the pipe."""
        self.read_fd, self._fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._open = True
        self._turn = asyncio.Lock()
        self._feeding: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None

    def begin(self, first: bytes, *, stay_open: bool) -> None:
        """Close our copy of the reading end, which a child has by now, and write what comes first."""
        os.close(self.read_fd)
        self.read_fd = -1
        self._feeding = asyncio.create_task(self._feed(first, stay_open), name="input of a command")

    async def write(self, data: bytes, name: str) -> None:
        """Write all of it, after what others write.

        Raises:
            Problem: it was closed, by us or by the command.
        """
        async with self._turn:
            try:
                await self._write(data)
            except BrokenPipeError as e:
                raise invalid_request(f"the stdin of {name} is closed; nothing more can be written to it") from e

    def close(self) -> None:
        """Close it; the command reads the end."""
        if self._open:
            self._open = False
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_writer(self._fd)
            os.close(self._fd)
            if self._ready is not None:
                _set(self._ready)
        if self.read_fd >= 0:
            os.close(self.read_fd)
            self.read_fd = -1

    async def _feed(self, data: bytes, stay_open: bool) -> None:
        async with self._turn:
            with contextlib.suppress(BrokenPipeError):  # it does not want to read all of it
                await self._write(data)
        if not stay_open:
            self.close()

    async def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            if not self._open:
                raise BrokenPipeError
            try:
                rest = rest[os.write(self._fd, rest[:CHUNK]) :]
            except BlockingIOError:
                await self._room()

    async def _room(self) -> None:
        """Wait until something can be written, or `close` was called."""
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        loop.add_writer(self._fd, _set, self._ready)
        try:
            await self._ready
        finally:
            if self._open:
                loop.remove_writer(self._fd)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
