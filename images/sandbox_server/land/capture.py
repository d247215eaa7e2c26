"""Keeps what a child writes: the head and the tail of it, never more than a fixed amount, for as long as it writes."""

from __future__ import annotations

import asyncio
import contextlib
import os

CHUNK = 1 << 16
DRAIN_CHUNKS = 17  # a pipe holds 1 MiB at most for an unprivileged user


class Capture:
    """The reading end of a pipe; give `write_fd` to a child, then call `begin`.

    A process in the background may hold the pipe long after its call has been answered. `detach` then goes on
    reading and throwing away, because a closed pipe would kill such a process with its next line.
    """

    def __init__(self, limit: int) -> None:
        """Open the pipe; `limit` is how many bytes are kept, half of them from the end."""
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._open = True
        self._keep = True

    def begin(self) -> None:
        """Close our copy of the writing end, which a child has by now, and read on the event loop."""
        os.close(self.write_fd)
        asyncio.get_running_loop().add_reader(self._read_fd, self._readable)

    def abandon(self) -> None:
        """Close both ends of a pipe that no child got."""
        os.close(self.write_fd)
        self.close()

    def drain(self) -> None:
        """Read what is in the pipe at this moment."""
        for _ in range(DRAIN_CHUNKS):  # bounded: a writer in the background may be faster than we are
            if not (self._open and self._read_once()):
                return

    def detach(self) -> None:
        """Throw away what comes from now on, until the last writer has gone."""
        self._keep = False

    def close(self) -> None:
        """Stop reading at once."""
        if self._open:
            self._open = False
            with contextlib.suppress(RuntimeError):  # begin() was never called: no loop reads it
                asyncio.get_running_loop().remove_reader(self._read_fd)
            os.close(self._read_fd)

    def text(self) -> str:
        """Return what was kept; where something was cut, it says how much."""
        if not self._dropped:
            return (self._head + self._tail).decode(errors="replace")
        head, tail = self._head.decode(errors="replace"), self._tail.decode(errors="replace")
        return f"{head}\n… [{self._dropped} bytes were cut here] …\n{tail}"

    def _readable(self) -> None:
        self._read_once()

    def _read_once(self) -> bool:
        try:
            chunk = os.read(self._read_fd, CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self.close()
        elif self._keep:
            self._add(chunk)
        return bool(chunk)

    def _add(self, chunk: bytes) -> None:
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        excess = len(self._tail) - self._half
        if excess > 0:
            self._dropped += excess
            del self._tail[:excess]
