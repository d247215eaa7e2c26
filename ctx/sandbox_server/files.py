"""The routes of the workspace's files: streamed both ways, of any size.

What a path may be and where it leads is in `workspace`, which blocks; here it is called in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, TypeVar

from aiohttp import web

from sandbox_server.problems import Handler, file_error, file_not_found, invalid_request
from sandbox_server.tools import read_object
from sandbox_server.workspace import MissingFile, OutsideWorkspace, Workspace, WorkspaceError

CHUNK = 1 << 18
DEPTH_MAX = 64

T = TypeVar("T")


class FileRoutes:
    """Serves the files of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        """Serve this one."""
        self._workspace = workspace

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/files/content", _answering(self.read), allow_head=False),
            web.put("/files/content", _answering(self.write)),
            web.get("/files/entries", _answering(self.entries)),
            web.get("/files/exists", _answering(self.exists)),
            web.post("/files/directories", _answering(self.make_folder)),
            web.post("/files/move", _answering(self.move)),
            web.delete("/files", _answering(self.remove)),
        ]

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Stream a file."""
        async with _in_thread(self._workspace.reading(_path(request))) as file:
            size = os.fstat(file.fileno()).st_size
            response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
            response.content_length = size
            await response.prepare(request)
            while size > 0:
                chunk = await asyncio.to_thread(file.read, min(CHUNK, size))
                if not chunk:  # it became shorter: the reader must not take this for the whole
                    raise ConnectionAbortedError("the file shrank while it was read")
                size -= len(chunk)
                await response.write(chunk)
        await response.write_eof()
        return response

    async def write(self, request: web.Request) -> web.Response:
        """Take a file in; it appears under its name when all of it is there."""
        path = _path(request)
        async with _in_thread(self._workspace.writing(path)) as file:
            await _copy(request.content, file)
        return web.json_response(await asyncio.to_thread(self._workspace.entry, path))

    async def entries(self, request: web.Request) -> web.Response:
        """List a folder."""
        depth = request.query.get("depth", "1")
        if not (depth.isascii() and depth.isdigit() and 1 <= int(depth) <= DEPTH_MAX):
            raise invalid_request(f"depth must be a whole number from 1 to {DEPTH_MAX}, not {depth!r}")
        entries = await asyncio.to_thread(self._workspace.entries, _path(request), int(depth))
        return web.json_response({"entries": entries})

    async def exists(self, request: web.Request) -> web.Response:
        """Say whether something is there."""
        return web.json_response({"exists": await asyncio.to_thread(self._workspace.exists, _path(request))})

    async def make_folder(self, request: web.Request) -> web.Response:
        """Make a folder."""
        path = _member(await read_object(request), "path")
        return web.json_response({"created": await asyncio.to_thread(self._workspace.make_folder, path)})

    async def move(self, request: web.Request) -> web.Response:
        """Move or rename."""
        body = await read_object(request)
        source, destination = _member(body, "source"), _member(body, "destination")
        return web.json_response(await asyncio.to_thread(self._workspace.move, source, destination))

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a file or a tree."""
        await asyncio.to_thread(self._workspace.remove, _path(request))
        return web.Response(status=204)


def _answering(handler: Handler) -> Handler:
    """Translate the errors of the workspace into problems."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except MissingFile as e:
            raise file_not_found(str(e)) from e
        except OutsideWorkspace as e:
            raise invalid_request(f"path: {e}") from e
        except WorkspaceError as e:
            raise file_error(str(e)) from e

    return answer


def _path(request: web.Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise invalid_request("the query parameter 'path' is missing")
    return path


def _member(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid_request(f"{name!r} must be a path, not {value!r}")
    return value


async def _copy(source: Any, file: BinaryIO) -> None:
    async for chunk in source.iter_chunked(CHUNK):
        await asyncio.to_thread(file.write, chunk)


@contextlib.asynccontextmanager
async def _in_thread(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context manager that blocks in a thread."""
    value = await asyncio.to_thread(manager.__enter__)
    try:
        yield value
    except BaseException:
        if not await asyncio.to_thread(manager.__exit__, *sys.exc_info()):
            raise
    else:
        await asyncio.to_thread(manager.__exit__, None, None, None)
