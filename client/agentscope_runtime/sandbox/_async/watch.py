"""Changes of files while they happen."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.connection import DownloadAsync
from agentscope_runtime.sandbox._async.holding import HoldingAsync
from agentscope_runtime.sandbox.changes import ChangeLines, FileChange
from agentscope_runtime.sandbox.errors import InternalError, ManagerUnreachable


class WatchAsync(AsyncIterator[FileChange]):
    """A watch of one folder or file; `box.fs.watch_async` makes it.

    It begins when its block is entered, or else with the first change that is asked for. It ends with the block, with
    its time, or when the folder is gone.
    """

    def __init__(self, held: HoldingAsync, path: str, recursive: bool, seconds: float | None) -> None:
        """Prepare; see `SandboxFSAsync.watch_async`."""
        self._held = held
        self._call = calls.watch_files(held.info.sandbox_id, path, recursive, seconds)
        self._lines = ChangeLines()
        self._ready: deque[FileChange] = deque()
        self._bytes: DownloadAsync | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FileChange:
        while not self._ready:
            await self._more_async()
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Stop watching."""
        if self._bytes is not None:
            await self._bytes.aclose()

    async def __aenter__(self) -> Self:
        try:
            while not self._lines.ready:
                await self._more_async()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _more_async(self) -> None:
        if self._bytes is None:
            self._bytes = await self._held.connection.download_async(self._call, None)
        try:
            self._ready.extend(self._lines.feed(await anext(self._bytes)))
        except ManagerUnreachable:
            # The manager breaks it off where the sandbox is no more: then it says so, and why.
            await self._held.do_async(calls.sandbox)
            raise
        except (ValueError, KeyError, TypeError) as error:
            await self.aclose()
            raise InternalError(f"could not {self._call.what}: the answer is none of a watch ({error})") from error
