# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/watch.py. Do not edit: change that one and run `make unasync`.
"""Changes of files while they happen."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._sync.connection import Download
from agentscope_runtime.sandbox._sync.holding import Holding
from agentscope_runtime.sandbox.changes import ChangeLines, FileChange
from agentscope_runtime.sandbox.errors import InternalError, ManagerUnreachable


class Watch(Iterator[FileChange]):
    """A watch of one folder or file; `box.fs.watch` makes it.

    It begins when its block is entered, or else with the first change that is asked for. It ends with the block, with
    its time, or when the folder is gone.
    """

    def __init__(self, held: Holding, path: str, recursive: bool, seconds: float | None) -> None:
        """Prepare; see `SandboxFS.watch`."""
        self._held = held
        self._call = calls.watch_files(held.info.sandbox_id, path, recursive, seconds)
        self._lines = ChangeLines()
        self._ready: deque[FileChange] = deque()
        self._bytes: Download | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FileChange:
        while not self._ready:
            self._more()
        return self._ready.popleft()

    def close(self) -> None:
        """Stop watching."""
        if self._bytes is not None:
            self._bytes.close()

    def __enter__(self) -> Self:
        try:
            while not self._lines.ready:
                self._more()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _more(self) -> None:
        if self._bytes is None:
            self._bytes = self._held.connection.download(self._call, None)
        try:
            self._ready.extend(self._lines.feed(next(self._bytes)))
        except ManagerUnreachable:
            # The manager breaks it off where the sandbox is no more: then it says so, and why.
            self._held.do(calls.sandbox)
            raise
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise InternalError(f"could not {self._call.what}: the answer is none of a watch ({error})") from error
