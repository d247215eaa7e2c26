"""The routes that move whole folders: a tar stream out of the workspace, and one into it.

What a path may be is in `workspace`; the streams are made in `packing` and read in `unpacking`, in threads. These are
imported at the first use: a box must start fast.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, cast

from aiohttp import StreamReader, web

from sandbox_server.files.answering import answering, in_thread, path_of
from sandbox_server.files.sending import or_torn
from sandbox_server.files.workspace import Folder, Workspace
from sandbox_server.problems import invalid_request

TAR = "application/x-tar"
AT_ONCE = 4
"""Archives that are unpacked at a time, each in a thread that waits for its stream; more of them wait."""
BUFFER = 1 << 20
"""Bytes of a stream that are handed to its thread at a time."""


class ArchiveRoutes:
    """Serves the folders of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        """Serve this one."""
        self._workspace = workspace
        # Threads of its own: those of the loop must stay free for short work.
        self._threads = ThreadPoolExecutor(AT_ONCE, "unpacking")

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/files/archive", answering(self.read), allow_head=False),
            web.put("/files/archive", answering(self.write)),
        ]

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Stream a folder."""
        from sandbox_server.files.packing import check

        async with in_thread(self._workspace.folder(path_of(request))) as folder:
            await asyncio.to_thread(check, folder.descriptor, folder.path)
            response = web.StreamResponse(headers={"Content-Type": TAR})
            await response.prepare(request)
            with or_torn(request):
                await _send(response, folder)
                await response.write_eof()
        return response

    async def write(self, request: web.Request) -> web.Response:
        """Put a stream into a folder, which is made where there is none; all of it, or nothing."""
        path = path_of(request)
        await self.unpack(path, request)
        return web.json_response(await asyncio.to_thread(self._workspace.entry, path))

    async def unpack(self, path: str, request: web.Request) -> None:
        """Put the stream that is the body of a request into a folder; all of it, or nothing.

        Raises:
            Problem: the stream is no archive, or not a whole one.
            WorkspaceError: the folder cannot be had, or cannot take it.
        """
        loop = asyncio.get_running_loop()
        source = cast(BinaryIO, io.BufferedReader(_Stream(request.content, loop), BUFFER))
        await loop.run_in_executor(self._threads, self._fill, path, source)

    def _fill(self, path: str, source: BinaryIO) -> None:
        from sandbox_server.files.tar_reader import BrokenArchive
        from sandbox_server.files.unpacking import unpack

        try:
            with self._workspace.filling(path) as folder:
                unpack(source, folder)
                while source.read(BUFFER):  # what programs write after the end, to fill a block
                    pass
        except BrokenArchive as e:
            raise invalid_request(f"the archive cannot be unpacked: {e}") from e


async def _send(response: web.StreamResponse, folder: Folder) -> None:
    from sandbox_server.files.packing import pack

    pieces = pack(folder.descriptor)
    try:
        while piece := await asyncio.to_thread(_next, pieces):
            await response.write(piece)
    finally:
        await asyncio.to_thread(pieces.close)


def _next(pieces: Generator[bytes]) -> bytes:
    return next(pieces, b"")


class _Stream(io.RawIOBase):
    """The body of a request, read from a thread."""

    def __init__(self, content: StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        self._content = content
        self._loop = loop

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any buffer; ours is this one
        data = asyncio.run_coroutine_threadsafe(self._content.read(len(buffer)), self._loop).result()
        buffer[: len(data)] = data
        return len(data)
