"""The route that tells of changed files: a line of JSON for each, from the moment on that the first line says."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable

from aiohttp import web

from sandbox_server.files.answering import answering, path_of
from sandbox_server.files.sending import or_torn
from sandbox_server.files.watch import Event, Watch
from sandbox_server.files.workspace import Workspace
from sandbox_server.problems import file_error, invalid_request

MEDIA_TYPE = "application/x-ndjson"
WATCHES_MAX = 16
"""At a time; hosts allow a user some hundred, for all of its boxes."""
GATHER_S = 0.02
"""From the first of several changes to their lines: what belongs together arrives within it, and a file that is
written all the time has fifty lines a second, not a thousand."""
LOOK_S = 0.25
"""How often a quiet watch looks whether its reader is still there."""
PULSE_S = 10.0
"""After so much silence an empty line is sent, so that both sides learn when the connection is dead."""
SECONDS_MAX = 86_400.0


class WatchRoutes:
    """Serves the watches of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        """Serve this one."""
        self._workspace = workspace
        self._readers: dict[int, web.Request] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/files/watch", answering(self.watch), allow_head=False)]

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Tell of changes until the reader leaves, `seconds` are over, or the folder is gone."""
        path, recursive, seconds = path_of(request), _recursive(request), _seconds(request)
        if sum(not _has_left(reader) for reader in self._readers.values()) >= WATCHES_MAX:
            raise file_error(f"{WATCHES_MAX} watches run in this sandbox, the most at a time: end one of them")
        self._readers[id(request)] = request
        try:
            watch = await asyncio.to_thread(Watch, self._workspace, path, recursive)
            try:
                return await _tell(request, watch, seconds)
            finally:
                watch.close()
        finally:
            del self._readers[id(request)]


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _tell(request: web.Request, watch: Watch, seconds: float) -> web.StreamResponse:
    loop = asyncio.get_running_loop()
    response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE})
    await response.prepare(request)
    with or_torn(request):
        await response.write(_lines([{"event": "ready"}]))
        end, spoke = loop.time() + seconds, loop.time()
        while not watch.over and (left := end - loop.time()) > 0:
            if _has_left(request):
                raise ConnectionResetError("the reader has left")
            events = await _next(watch, min(left, LOOK_S))
            if events or loop.time() - spoke > PULSE_S:
                spoke = loop.time()
                await response.write(_lines(events) or b"\n")
        await response.write_eof()
    return response


async def _next(watch: Watch, wait: float) -> list[Event]:
    if not await _readable(watch.descriptor, wait):
        return []
    await asyncio.sleep(GATHER_S)
    return await asyncio.to_thread(watch.read)


async def _readable(descriptor: int, wait: float) -> bool:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        async with asyncio.timeout(wait):
            await ready.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True


def _lines(events: Iterable[Event]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def _recursive(request: web.Request) -> bool:
    value = request.query.get("recursive", "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise invalid_request(f"recursive must be true or false, not {value!r}")
    return value in ("true", "1")


def _seconds(request: web.Request) -> float:
    value = request.query.get("seconds")
    if value is None:
        return math.inf
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= SECONDS_MAX:
        raise invalid_request(f"seconds must be a number above 0 and up to {SECONDS_MAX:g}, not {value!r}")
    return seconds
