"""Changes of files while they happen."""

from __future__ import annotations

from typing import Self

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.holding import HoldingAsync
from agentscope_runtime.sandbox._async.ndjson import NdjsonStreamAsync
from agentscope_runtime.sandbox.changes import ChangeLines, FileChange


class WatchAsync(NdjsonStreamAsync[FileChange]):
    """A watch of one folder or file; `box.fs.watch_async` makes it.

    It begins when its block is entered, or else with the first change that is asked for. It ends with the block, with
    its time, or when the folder is gone.
    """

    def __init__(self, held: HoldingAsync, path: str, recursive: bool, seconds: float | None) -> None:
        """Prepare; see `SandboxFSAsync.watch_async`."""
        self._changes = ChangeLines()
        super().__init__(held, calls.watch_files(held.info.sandbox_id, path, recursive, seconds), self._changes)

    async def __aenter__(self) -> Self:
        try:
            while not self._changes.ready:
                await self._more_async()
        except BaseException:
            await self.aclose()
            raise
        return self
