"""MCP servers that are commands: each a process of the user land, a message a line.

What it prints to stdout and is no message is passed over, since many programs cannot help themselves; the end of its
stderr is kept, to say why it ended.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable

from sandbox_server.land.capture import Capture
from sandbox_server.land.namespaces import entrance
from sandbox_server.land.processes import Process
from sandbox_server.land.userland import UserLand
from sandbox_server.mcp.configs import Stdio
from sandbox_server.mcp.rpc import MESSAGE_LIMIT, TURN, Lost, Message
from sandbox_server.parts import PartFailed

LOG_LIMIT = 8192
SAID_CHARACTERS = 2000
GRACE_S = 1.0
"""Seconds between the end of its stdin, which asks it to end, and the signal that ends it."""
LAST_WORDS_S = 0.5
"""Seconds in which what it wrote before its end is read."""
NOT_FOUND = 127
NOT_EXECUTABLE = 126


class StdioLine:
    """A server process, and the pipes to it."""

    def __init__(self, config: Stdio, userland: UserLand) -> None:
        """Start nothing yet."""
        self._config = config
        self._userland = userland
        self._process: Process | None = None
        self._log = Capture(LOG_LIMIT)
        self._attending: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._pipes: list[asyncio.BaseTransport] = []

    async def open(self, deliver: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        """Start the process; see `Line`."""
        popen = await self._start()
        assert popen.stdin is not None and popen.stdout is not None
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader(limit=MESSAGE_LIMIT)
        inward, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), popen.stdout)
        # The protocol of a reader is also one that knows when a pipe is full.
        outward, flow = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), popen.stdin
        )
        self._pipes = [inward, outward]
        self._writer = asyncio.StreamWriter(outward, flow, None, loop)
        self._attending = asyncio.create_task(self._attend(lines, deliver, ended))

    async def send(self, message: Message) -> None:
        """Write a line, as fast as the server reads; see `Line`."""
        assert self._writer is not None
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if self._writer.is_closing():
            raise Lost("its stdin is closed")
        try:
            await self._writer.drain()  # what is written to a full pipe waits in our memory
            self._writer.write(line)
            await self._writer.drain()
        except ConnectionError as e:
            raise Lost("it closed its stdin") from e

    def said(self) -> str:
        """Return the end of its stderr."""
        self._log.drain()
        return self._log.text().strip()[-SAID_CHARACTERS:]

    async def close(self) -> None:
        """End it and all that it started."""
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            try:
                async with asyncio.timeout(GRACE_S):
                    await self._process.gone()
            except TimeoutError:
                pass
            finally:
                self._process.kill_group()
                self._process.kill_tree()
            await self._process.wait()
        if self._attending is not None:
            self._attending.cancel()
            await asyncio.gather(self._attending, return_exceptions=True)
        for pipe in self._pipes:
            pipe.close()
        self._log.close()

    async def _start(self) -> subprocess.Popen[bytes]:
        config = self._config
        argv = [config.command, *config.args]
        if config.cwd is not None:
            argv = ["env", "-C", config.cwd, *argv]
        environment = entrance({**self._userland.environment(), **config.env})
        try:
            command = await self._userland.command(argv)
            popen = subprocess.Popen(  # noqa: S603, ASYNC220 - in the user land; takes a millisecond
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log.write_fd,
                env=environment,
                start_new_session=True,
            )
        except BaseException as e:
            self._log.abandon()
            if isinstance(e, OSError | ValueError | PartFailed):
                raise Lost(f"it could not be started: {e}") from e
            raise
        self._log.begin()
        self._process = Process(popen)
        return popen

    async def _attend(
        self, lines: asyncio.StreamReader, deliver: Callable[[Message], None], ended: Callable[[str], None]
    ) -> None:
        """Hear the server until it ends, or closes its stdout, which is the same; then end what it started."""
        assert self._process is not None
        reading = asyncio.create_task(_read(lines, deliver))
        gone = asyncio.create_task(self._process.gone())
        try:
            await asyncio.wait({reading, gone}, return_when=asyncio.FIRST_COMPLETED)
            self._process.kill_group()
            await asyncio.wait({reading}, timeout=LAST_WORDS_S)  # a child elsewhere may hold the pipe for ever
            self._process.kill_tree()
            code = await self._process.wait()
            reason = reading.result() if reading.done() else ""
            ended(reason or self._obituary(code))
        finally:
            for task in (reading, gone):
                task.cancel()
            await asyncio.gather(reading, gone, return_exceptions=True)

    def _obituary(self, code: int) -> str:
        said = self.said()
        told = f"; it last said:\n{said}" if said else ""
        if code in (NOT_FOUND, NOT_EXECUTABLE) and self._config.command in said:
            return f"the command {self._config.command!r} was not found in the sandbox, or cannot be run{told}"
        return f"it ended with exit code {code}{told}"


async def _read(lines: asyncio.StreamReader, deliver: Callable[[Message], None]) -> str:
    """Deliver messages until there are no more; return why, unless it is the end of the stream."""
    count = 0
    try:
        while line := await lines.readline():
            if (message := _message(line)) is not None:
                deliver(message)
            if (count := count + 1) % TURN == 0:
                await asyncio.sleep(0)  # lines that are there already are read without one
    except ValueError:
        return f"it sent a message of more than {MESSAGE_LIMIT >> 20} MiB"
    return ""


def _message(line: bytes) -> Message | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
