"""The way to the engine process: a backend whose every method is a message, and the test's own questions."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from typing import Any, cast

from chaos import wire

from agentscope_runtime.sandbox.errors import BackendUnavailable
from agentscope_runtime.sandbox_manager.backends import Backend, Owner

NO_CALLS = frozenset({"settle"})
"""Methods of a backend that tell an engine nothing."""


class Remote:
    """Everything that the other side can do, by its name; opened by the first call."""

    def __init__(self, path: str, owner: Owner) -> None:
        self._path = path
        self._owner = owner
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Queue[Any]] = {}
        self._lock = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in NO_CALLS:
            return lambda *args, **kwargs: None
        if name in ("watch", "events"):
            return lambda *args, **kwargs: self._stream(name, args, kwargs)

        async def call(*args: Any, **kwargs: Any) -> Any:
            answers = await self._ask(name, args, kwargs)
            return self._open(await answers.get())[1]

        return call

    async def aclose(self) -> None:
        """Hang up; containers stay as they are."""
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _stream(self, name: str, args: Any, kwargs: Any) -> AsyncIterator[Any]:
        answers = await self._ask(name, args, kwargs)
        while True:
            kind, item = self._open(await answers.get())
            if kind != "item":
                return
            yield item

    async def _ask(self, name: str, args: Any, kwargs: Any) -> asyncio.Queue[Any]:
        async with self._lock:
            if self._writer is None:
                try:
                    reader, self._writer = await asyncio.open_unix_connection(self._path)
                except OSError as e:
                    raise BackendUnavailable(f"the engine's process does not answer: {e}") from e
                wire.write(self._writer, (self._owner, os.getpid()))
                self._reading = asyncio.create_task(self._read(reader))
        answers: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting[number := next(self._numbers)] = answers
        wire.write(self._writer, (number, name, args, kwargs))
        return answers

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                number, kind, value = await wire.read(reader)
                self._waiting[number].put_nowait((kind, value))
                if kind != "item":
                    del self._waiting[number]
        except EOFError:
            gone = wire.packed(BackendUnavailable("the engine's process is gone"))
            for answers in self._waiting.values():
                answers.put_nowait(("error", gone))

    def _open(self, answer: Any) -> tuple[str, Any]:
        kind, value = answer
        if kind == "error":
            raise wire.unpacked(value)
        return kind, value


def remote_backend(path: str, owner: Owner) -> Backend:
    """Return a backend of the engine process behind this socket."""
    return cast("Backend", Remote(path, owner))
