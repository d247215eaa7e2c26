# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/watch.py. Do not edit: change that one and run `make unasync`.
"""Changes of files while they happen."""

from __future__ import annotations

from typing import Self

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._sync.holding import Holding
from agentscope_runtime.sandbox._sync.ndjson import NdjsonStream
from agentscope_runtime.sandbox.changes import ChangeLines, FileChange


class Watch(NdjsonStream[FileChange]):
    """A watch of one folder or file; `box.fs.watch` makes it.

    It begins when its block is entered, or else with the first change that is asked for. It ends with the block, with
    its time, or when the folder is gone.
    """

    def __init__(self, held: Holding, path: str, recursive: bool, seconds: float | None) -> None:
        """Prepare; see `SandboxFS.watch`."""
        self._changes = ChangeLines()
        super().__init__(held, calls.watch_files(held.info.sandbox_id, path, recursive, seconds), self._changes)

    def __enter__(self) -> Self:
        try:
            while not self._changes.ready:
                self._more()
        except BaseException:
            self.close()
            raise
        return self
