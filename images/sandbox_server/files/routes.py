"""The routes of the workspace's files: streamed both ways, of any size.

What a path may be and where it leads is in `workspace`, which blocks; here it is called in threads.
"""

from __future__ import annotations

import asyncio
from typing import Any, BinaryIO

from aiohttp import web

from sandbox_server.files.answering import answering, in_thread, member_of, path_of
from sandbox_server.files.sending import send_file
from sandbox_server.files.workspace import Workspace
from sandbox_server.problems import invalid_request
from sandbox_server.tools import read_object

CHUNK = 1 << 20
"""Bytes that are written at a time: each costs the way to a thread and back."""
DEPTH_MAX = 64


class FileRoutes:
    """Serves the files of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        """Serve this one."""
        self._workspace = workspace

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/files/content", answering(self.read), allow_head=False),
            web.put("/files/content", answering(self.write)),
            web.get("/files/entries", answering(self.entries)),
            web.get("/files/entry", answering(self.entry)),
            web.get("/files/exists", answering(self.exists)),
            web.post("/files/directories", answering(self.make_folder)),
            web.post("/files/move", answering(self.move)),
            web.delete("/files", answering(self.remove)),
        ]

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Send a file, or the range of it that is asked for."""
        async with in_thread(self._workspace.reading(path_of(request))) as file:
            return await send_file(request, file)

    async def write(self, request: web.Request) -> web.Response:
        """Take a file in; it appears under its name when all of it is there."""
        path = path_of(request)
        async with in_thread(self._workspace.writing(path)) as file:
            await _copy(request.content, file)
        return web.json_response(await asyncio.to_thread(self._workspace.entry, path))

    async def entries(self, request: web.Request) -> web.Response:
        """List a folder."""
        depth = request.query.get("depth", "1")
        if not (depth.isascii() and depth.isdigit() and 1 <= int(depth) <= DEPTH_MAX):
            raise invalid_request(f"depth must be a whole number from 1 to {DEPTH_MAX}, not {depth!r}")
        entries = await asyncio.to_thread(self._workspace.entries, path_of(request), int(depth))
        return web.json_response({"entries": entries})

    async def entry(self, request: web.Request) -> web.Response:
        """Describe one file or folder."""
        return web.json_response(await asyncio.to_thread(self._workspace.entry, path_of(request)))

    async def exists(self, request: web.Request) -> web.Response:
        """Say whether something is there."""
        return web.json_response({"exists": await asyncio.to_thread(self._workspace.exists, path_of(request))})

    async def make_folder(self, request: web.Request) -> web.Response:
        """Make a folder."""
        path = member_of(await read_object(request), "path")
        return web.json_response({"created": await asyncio.to_thread(self._workspace.make_folder, path)})

    async def move(self, request: web.Request) -> web.Response:
        """Move or rename."""
        body = await read_object(request)
        source, destination = member_of(body, "source"), member_of(body, "destination")
        return web.json_response(await asyncio.to_thread(self._workspace.move, source, destination))

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a file or a tree."""
        await asyncio.to_thread(self._workspace.remove, path_of(request))
        return web.Response(status=204)


async def _copy(source: Any, file: BinaryIO) -> None:
    async for chunk in source.iter_chunked(CHUNK):
        await asyncio.to_thread(file.write, chunk)
