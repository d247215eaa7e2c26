"""What a command writes: read as it comes, kept within bounds, told to any number of readers in the order it came.

Of each stream the head and the tail are kept. A position counts the bytes of both streams together, so one number says
how far a reader is. Who writes is held up by a slow reader only where it was asked for (`lossless`); else a reader that
is too far behind misses what was dropped, and sees from the positions how much that was.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import heapq
import os
import struct
import termios
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

STREAMS = ("stdout", "stderr")
CHUNK = 1 << 16
HALF = 1 << 19  # of each stream so much is kept from its beginning, and so much from its end
OVERHEAD = 128  # what a chunk costs besides its bytes, so that many small ones are bounded, too
JOINED = 4096  # small writes that follow each other become one chunk, up to this size


@dataclass(slots=True)
class Chunk:
    """Bytes of one stream that came together."""

    stream: str
    offset: int
    """The position of its first byte."""
    data: bytes

    @property
    def end(self) -> int:
        """The position after its last byte."""
        return self.offset + len(self.data)

    @property
    def cost(self) -> int:
        """How much it counts against the limit."""
        return len(self.data) + OVERHEAD

    def since(self, position: int) -> Chunk:
        """Return what of it comes at or after a position."""
        return Chunk(self.stream, max(self.offset, position), self.data[max(0, position - self.offset) :])


class Kept:
    """What is kept of one stream."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._head: list[Chunk] = []
        self._tail: deque[Chunk] = deque()
        self._head_cost = 0
        self._tail_cost = 0

    @property
    def cost(self) -> int:
        """About how much memory it takes, in bytes."""
        return self._head_cost + self._tail_cost

    def add(self, chunk: Chunk) -> None:
        """Keep a chunk; `trim` drops what is then too much."""
        last = self._tail[-1] if self._tail else None
        if last is not None and last.end == chunk.offset and len(last.data) + len(chunk.data) <= JOINED:
            last.data += chunk.data
            self._tail_cost += len(chunk.data)
        elif not self._tail and self._head_cost + chunk.cost <= HALF:
            self._head.append(chunk)
            self._head_cost += chunk.cost
        else:
            self._tail.append(chunk)
            self._tail_cost += chunk.cost

    def trim(self, read: int | None) -> None:
        """Drop the oldest of the tail while there is too much; only what lies before `read`, if that is said."""
        while self._tail_cost > HALF and (read is None or self._tail[0].end <= read):
            self._tail_cost -= self._tail.popleft().cost

    def full(self, read: int) -> bool:
        """Return whether one more chunk would drop something that is not read yet."""
        return bool(self._tail) and self._tail_cost + CHUNK > HALF and self._tail[0].end > read

    def since(self, position: int) -> list[Chunk]:
        """Return what is kept from a position on."""
        found = []
        for chunk in chain(reversed(self._tail), reversed(self._head)):
            if chunk.end <= position:
                break
            found.append(chunk)
        return found[::-1]


class Reader:
    """One who reads along; `next` hands out what is new."""

    def __init__(self, output: CommandOutput, position: int) -> None:
        """Begin at a position; use `CommandOutput.reading`."""
        self.position = position
        self._output = output
        self._handed = position

    async def next(self, patience_s: float) -> list[Chunk] | None:
        """Return what comes next, up to about `CHUNK` bytes; nothing after so many seconds; None at the end.

        Asking for more says that what was handed out before has been dealt with.
        """
        self.position = self._handed
        self._output.progressed()
        if not (chunks := self._output.since(self.position)):
            if self._output.ended:
                return None
            await self._output.change(patience_s)
            if not (chunks := self._output.since(self.position)):
                return None if self._output.ended else []
        self._handed = chunks[-1].end
        return chunks


class CommandOutput:
    """The reading ends of a command's stdout and stderr."""

    def __init__(self, *, lossless: bool) -> None:
        """Open the pipes; with `lossless` the command waits for its slowest reader, and for its first one."""
        self.total = 0
        """How many bytes both streams have brought."""
        self.ended = False
        self._lossless = lossless
        self._kept = {stream: Kept() for stream in STREAMS}
        self._readers: list[Reader] = []
        self._read_fds: dict[str, int] = {}
        self._write_fds: dict[str, int] = {}
        self._held: set[str] = set()
        self._rest: dict[str, int] | None = None  # bytes still to be read, once the command has exited
        self._changed = asyncio.Event()
        for stream in STREAMS:
            self._read_fds[stream], self._write_fds[stream] = os.pipe()
            os.set_blocking(self._read_fds[stream], False)

    @property
    def write_fds(self) -> tuple[int, int]:
        """What a child gets as its stdout and stderr."""
        return self._write_fds["stdout"], self._write_fds["stderr"]

    @property
    def cost(self) -> int:
        """About how much memory it takes, in bytes."""
        return sum(kept.cost for kept in self._kept.values())

    def begin(self) -> None:
        """Close our copies of the writing ends, which a child has by now, and read on the event loop."""
        self._close_writing()
        for stream in STREAMS:
            self._listen(stream)

    def abandon(self) -> None:
        """Close the pipes, which no child got, or whose child is of no interest any more."""
        self._close_writing()
        for stream in tuple(self._read_fds):
            self._hang_up(stream)

    def exited(self) -> None:
        """Note that the command has ended: what is in the pipes now still counts, what others write later does not.

        A process in the background may hold a pipe for long. It is read on and thrown away, because a closed pipe
        would kill such a process with its next line.
        """
        self._rest = {stream: _waiting(fd) for stream, fd in self._read_fds.items()}
        for stream in tuple(self._read_fds):
            if stream not in self._held:
                self._readable(stream)
        self._check_end()

    def forget(self) -> None:
        """Let go of all that was kept, after the end; what others still write is thrown away as before."""
        self._kept = {stream: Kept() for stream in STREAMS}

    @contextlib.contextmanager
    def reading(self, position: int) -> Iterator[Reader]:
        """Count in a reader from this position on."""
        reader = Reader(self, position)
        self._readers.append(reader)
        try:
            yield reader
        finally:
            self._readers.remove(reader)
            self.progressed()

    def release(self) -> None:
        """Hold the command up for nobody from now on."""
        self._lossless = False
        self.progressed()

    def since(self, position: int) -> list[Chunk]:
        """Return what is kept from a position on, in order, up to about `CHUNK` bytes."""
        found: list[Chunk] = []
        size = 0
        kept = (kept.since(position) for kept in self._kept.values())
        for chunk in heapq.merge(*kept, key=lambda chunk: chunk.offset):
            found.append(chunk.since(position))
            size += len(found[-1].data)
            if size >= CHUNK:
                break
        return found

    def progressed(self) -> None:
        """Read on where a reader held us up."""
        for stream in tuple(self._held):
            if not self._full(stream):
                self._held.discard(stream)
                self._listen(stream)

    async def change(self, patience_s: float) -> None:
        """Wait until there is more, or the end, or so many seconds are over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._changed.wait()

    def _full(self, stream: str) -> bool:
        slowest = min((reader.position for reader in self._readers), default=0)
        return self._lossless and self._kept[stream].full(slowest)

    def _listen(self, stream: str) -> None:
        asyncio.get_running_loop().add_reader(self._read_fds[stream], self._readable, stream)

    def _readable(self, stream: str) -> None:
        wanted = CHUNK if self._rest is None else min(CHUNK, self._rest[stream] or CHUNK)
        try:
            data = os.read(self._read_fds[stream], wanted)
        except BlockingIOError:
            return
        if not data:
            self._hang_up(stream)
        elif self._rest is None or self._rest[stream]:
            self._add(stream, data)
        if self._rest is not None:
            self._rest[stream] = max(0, self._rest[stream] - len(data)) if data else 0
        self._check_end()

    def _add(self, stream: str, data: bytes) -> None:
        kept = self._kept[stream]
        kept.add(Chunk(stream, self.total, data))
        self.total += len(data)
        # Without a reader yet a lossless command has read nothing: its beginning waits for the first one.
        kept.trim(min((reader.position for reader in self._readers), default=0) if self._lossless else None)
        if self._full(stream):
            self._held.add(stream)
            asyncio.get_running_loop().remove_reader(self._read_fds[stream])
        self._tell()

    def _check_end(self) -> None:
        if self._rest is not None and not self.ended and not any(self._rest.values()):
            self.ended = True
            self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _hang_up(self, stream: str) -> None:
        self._held.discard(stream)
        fd = self._read_fds.pop(stream)
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)

    def _close_writing(self) -> None:
        for fd in self._write_fds.values():
            os.close(fd)
        self._write_fds.clear()


def _waiting(fd: int) -> int:
    """Return how many bytes are in a pipe."""
    count: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]
    return count
