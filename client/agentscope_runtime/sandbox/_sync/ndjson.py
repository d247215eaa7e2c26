# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/ndjson.py. Do not edit: change that one and run `make unasync`.
"""Answers that are lines of JSON, read as they come: a command's output, the changes of a folder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._sync.connection import Download
from agentscope_runtime.sandbox._sync.holding import Holding
from agentscope_runtime.sandbox.errors import InternalError, InvalidRequest, ManagerUnreachable
from agentscope_runtime.sandbox.ndjson import Lines

T = TypeVar("T")


class NdjsonStream(Iterator[T], Generic[T]):
    """What such an answer tells, item by item; the first that is asked for opens it, unless a block did."""

    def __init__(self, held: Holding, call: calls.Call[bytes], lines: Lines[T]) -> None:
        """Prepare; nothing is sent yet."""
        self._held = held
        self._call = call
        self._lines = lines
        self._ready: deque[T] = deque()
        self._bytes: Download | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        while not self._ready:
            self._more()
        return self._ready.popleft()

    def close(self) -> None:
        """Stop reading, and let the connection go."""
        if self._bytes is not None:
            self._bytes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _more(self) -> None:
        """Read once.

        Raises:
            StopAsyncIteration: That was all.
            SandboxError: The sandbox is gone, or the manager, or what answers speaks otherwise.
        """
        if self._bytes is None:
            self._bytes = self._held.connection.download(self._call, None)
        try:
            self._ready.extend(self._lines.feed(next(self._bytes)))
        except ManagerUnreachable:
            # The manager breaks it off where the sandbox is no more: asked for that, it says so, and why.
            with suppress(InvalidRequest):  # it was closed here
                self._held.do(calls.sandbox)
            raise
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise InternalError(f"could not {self._call.what}: the answer cannot be read ({error!r})") from error
