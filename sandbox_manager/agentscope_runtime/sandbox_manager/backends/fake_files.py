"""The files of a box from memory: what `fake_box` answers about a workspace."""

from __future__ import annotations

import time
from pathlib import PurePosixPath
from typing import Any

from aiohttp import web

from agentscope_runtime.sandbox.errors import FileError, FileNotFound, InvalidRequest

WORKSPACE = PurePosixPath("/workspace")


class FakeFiles:
    """One workspace, as a dictionary."""

    def __init__(self) -> None:
        self.files: dict[PurePosixPath, bytes] = {}
        self.folders: set[PurePosixPath] = {WORKSPACE}

    def add(self, name: str, content: bytes) -> None:
        """Put a file in its place."""
        path = _path(name)
        self._add_folder(path.parent)
        self.files[path] = content

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/files/content", self._read),
            web.put("/files/content", self._write),
            web.get("/files/entries", self._entries),
            web.get("/files/exists", self._exists),
            web.get("/files/entry", self._entry_of),
            web.post("/files/directories", self._make_folder),
            web.post("/files/move", self._move),
            web.delete("/files", self._remove),
        ]

    async def _read(self, request: web.Request) -> web.Response:
        path = _path(request.query.get("path", ""))
        if path in self.folders:
            raise FileError(f"{path} is a folder")
        if path not in self.files:
            raise FileNotFound(f"there is no {path}")
        return web.Response(body=self.files[path], content_type="application/octet-stream")

    async def _write(self, request: web.Request) -> web.Response:
        path = _path(request.query.get("path", ""))
        if path in self.folders:
            raise FileError(f"{path} is a folder")
        content = await request.read()
        self._add_folder(path.parent)
        self.files[path] = content
        return web.json_response(self._entry(path))

    async def _entries(self, request: web.Request) -> web.Response:
        path, depth = _path(request.query.get("path", ".")), int(request.query.get("depth", "1"))
        if path not in self.folders and path not in self.files:
            raise FileNotFound(f"there is no {path}")
        inside = (
            each
            for each in sorted({*self.folders, *self.files})
            if path in each.parents and len(each.relative_to(path).parts) <= depth
        )
        return web.json_response({"entries": [self._entry(each) for each in inside]})

    async def _exists(self, request: web.Request) -> web.Response:
        path = _path(request.query.get("path", ""))
        return web.json_response({"exists": path in self.folders or path in self.files})

    async def _entry_of(self, request: web.Request) -> web.Response:
        path = _path(request.query.get("path", ""))
        if path not in self.folders and path not in self.files:
            raise FileNotFound(f"there is no {path}")
        return web.json_response(self._entry(path))

    async def _make_folder(self, request: web.Request) -> web.Response:
        path = _path((await request.json()).get("path", ""))
        created = path not in self.folders
        self._add_folder(path)
        return web.json_response({"created": created})

    async def _move(self, request: web.Request) -> web.Response:
        body = await request.json()
        source, target = _path(body.get("source", "")), _path(body.get("destination", ""))
        if source not in self.files and source not in self.folders:
            raise FileNotFound(f"there is no {source}")
        moved = {
            path: target / path.relative_to(source) for path in (*self.files, *self.folders) if _below(path, source)
        }
        self._add_folder(target.parent)
        for old, new in moved.items():
            if old in self.files:
                self.files[new] = self.files.pop(old)
            else:
                self.folders.discard(old)
                self.folders.add(new)
        return web.json_response(self._entry(target))

    async def _remove(self, request: web.Request) -> web.Response:
        path = _path(request.query.get("path", ""))
        if path == WORKSPACE:
            raise InvalidRequest("the workspace itself cannot be removed")
        self.files = {each: content for each, content in self.files.items() if not _below(each, path)}
        self.folders = {each for each in self.folders if not _below(each, path)}
        return web.Response(status=204)

    def _add_folder(self, path: PurePosixPath) -> None:
        missing = [each for each in (path, *path.parents) if _below(each, WORKSPACE)]
        if blocking := [each for each in missing if each in self.files]:
            raise FileError(f"{blocking[0]} is a file")
        self.folders.update(missing)

    def _entry(self, path: PurePosixPath) -> dict[str, Any]:
        content = self.files.get(path)
        return {
            "path": str(path),
            "name": path.name,
            "type": "dir" if content is None else "file",
            "size": None if content is None else len(content),
            "mtime_ms": int(time.time() * 1000),
        }


def _below(path: PurePosixPath, folder: PurePosixPath) -> bool:
    return path == folder or folder in path.parents


def _path(given: str) -> PurePosixPath:
    parts: list[str] = []
    for part in (WORKSPACE / given).parts[1:]:
        if part == "..":
            parts[-1:] = []
        else:
            parts.append(part)
    path = PurePosixPath("/", *parts)
    if not given or not _below(path, WORKSPACE):
        raise InvalidRequest(f"{given!r} is not a path inside {WORKSPACE}")
    return path
