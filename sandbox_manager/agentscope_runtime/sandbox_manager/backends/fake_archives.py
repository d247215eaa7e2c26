"""The whole workspace of a fake box as a tar stream, and what it begins with."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Awaitable, Callable

from aiohttp import web

from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox_manager.backends.fake_files import WORKSPACE, FakeFiles

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeArchives:
    """One box's; files that it shares with others may be theirs, too."""

    def __init__(self, files: FakeFiles) -> None:
        self._files = files
        self._turn = asyncio.Lock()
        self.filled = False
        """Whether it began with something."""
        self.answer: Handler = self._pack
        """What answers those who ask for the workspace; tests have it fail."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/files/archive", self._read),
            web.get("/files/origin", self._origin),
            web.put("/files/origin", self._fill),
        ]

    async def _read(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(request)

    async def _pack(self, request: web.Request) -> web.Response:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, content in sorted(self._files.files.items()):
                member = tarfile.TarInfo(str(path.relative_to(WORKSPACE)))
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return web.Response(body=packed.getvalue(), content_type="application/x-tar")

    async def _origin(self, request: web.Request) -> web.Response:
        async with self._turn:
            return web.json_response({"filled": self.filled})

    async def _fill(self, request: web.Request) -> web.Response:
        async with self._turn:
            stream = io.BytesIO(await request.read())
            if not self.filled:
                try:
                    with tarfile.open(fileobj=stream) as archive:
                        found = {member.name: archive.extractfile(member) for member in archive}
                        contents = {name: b"" if file is None else file.read() for name, file in found.items()}
                except tarfile.TarError as e:
                    raise InvalidRequest(f"the archive cannot be unpacked: {e}") from e
                for name, content in contents.items():
                    self._files.add(name, content)
                self.filled = True
        return web.json_response({"filled": True})
