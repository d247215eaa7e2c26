"""The standard streams of a container while it starts: our one line goes in, its last lines are kept."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

import aiodocker
import aiohttp
from aiodocker.containers import DockerContainer
from aiodocker.stream import Stream

KEPT = 4096
"""Bytes of output that are kept: enough for the end of a traceback."""
LAST_WORDS_TAKE = 0.2
"""Seconds that the last output of a container that ended may take to arrive."""


class Console:
    """An attached container."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._output: deque[int] = deque(maxlen=KEPT)
        self._reading = asyncio.create_task(self._read(), name="container output")

    @classmethod
    async def attach(cls, container: DockerContainer) -> Console:
        """Attach to a container that was made, and not started yet."""
        stream = container.attach(stdin=True, stdout=True, stderr=True)
        await stream.__aenter__()  # which connects; `aclose` is the other half
        return cls(stream)

    async def say(self, line: Mapping[str, object]) -> None:
        """Write one line of JSON to its standard input."""
        await self._stream.write_in(json.dumps(line).encode() + b"\n")

    async def last_words(self) -> str:
        """Return the end of what it printed so far; of one that ended, all of it."""
        await asyncio.wait([self._reading], timeout=LAST_WORDS_TAKE)
        text = bytes(self._output).decode(errors="replace")
        return " | ".join(line.strip() for line in text.splitlines() if line.strip())

    def close_soon(self) -> None:
        """Detach, without waiting for it; its standard input ends with that."""
        self._reading.cancel()

    async def aclose(self) -> None:
        """Detach."""
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        try:
            # However the stream ends, what was read until then is kept; that the container ended, others find out.
            with suppress(aiodocker.DockerError, aiohttp.ClientError, OSError):
                while message := await self._stream.read_out():
                    self._output.extend(message.data)
        finally:
            await self._stream.close()
