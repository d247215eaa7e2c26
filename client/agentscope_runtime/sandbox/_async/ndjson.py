"""Answers that are lines of JSON, read as they come: a command's output, the changes of a folder."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.connection import DownloadAsync
from agentscope_runtime.sandbox._async.holding import HoldingAsync
from agentscope_runtime.sandbox.errors import InternalError, InvalidRequest, ManagerUnreachable
from agentscope_runtime.sandbox.ndjson import Lines

T = TypeVar("T")


class NdjsonStreamAsync(AsyncIterator[T], Generic[T]):
    """What such an answer tells, item by item; the first that is asked for opens it, unless a block did."""

    def __init__(self, held: HoldingAsync, call: calls.Call[bytes], lines: Lines[T]) -> None:
        """Prepare; nothing is sent yet."""
        self._held = held
        self._call = call
        self._lines = lines
        self._ready: deque[T] = deque()
        self._bytes: DownloadAsync | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            await self._more_async()
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Stop reading, and let the connection go."""
        if self._bytes is not None:
            await self._bytes.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _more_async(self) -> None:
        """Read once.

        Raises:
            StopAsyncIteration: That was all.
            SandboxError: The sandbox is gone, or the manager, or what answers speaks otherwise.
        """
        if self._bytes is None:
            self._bytes = await self._held.connection.download_async(self._call, None)
        try:
            self._ready.extend(self._lines.feed(await anext(self._bytes)))
        except ManagerUnreachable:
            # The manager breaks it off where the sandbox is no more: asked for that, it says so, and why.
            with suppress(InvalidRequest):  # it was closed here
                await self._held.do_async(calls.sandbox)
            raise
        except (ValueError, KeyError, TypeError) as error:
            await self.aclose()
            raise InternalError(f"could not {self._call.what}: the answer cannot be read ({error!r})") from error
