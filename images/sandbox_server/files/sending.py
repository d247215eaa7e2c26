"""Sends an open file, or the part of it that a Range header asks for, by the kernel: no byte passes through Python.

Not here: which file that is (`workspace`), and who may ask (`auth`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from aiohttp import web

from sandbox_server.problems import Problem

OCTETS = "application/octet-stream"


@contextlib.contextmanager
def or_torn(request: web.Request) -> Iterator[None]:
    """Tear the connection if what is in the block fails: an answer that has begun must never look like a whole one."""
    try:
        yield
    except BaseException:
        if request.transport is not None:
            request.transport.abort()
        raise


async def send_file(request: web.Request, file: BinaryIO) -> web.StreamResponse:
    """Answer with a regular file as it is now, or with the one range of it that was asked for.

    Raises:
        Problem: the range lies outside of the file.
    """
    info = os.fstat(file.fileno())
    tag = f'"{info.st_mtime_ns:x}-{info.st_size:x}"'
    begin, end = _wanted(request, tag, info.st_size)
    response = web.StreamResponse(headers={"Content-Type": OCTETS, "Accept-Ranges": "bytes", "ETag": tag})
    response.content_length = end - begin
    if (begin, end) != (0, info.st_size):
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{info.st_size}"
    await response.prepare(request)
    with or_torn(request):
        if end > begin:
            await _send(request, file, begin, end - begin)
        await response.write_eof()
    return response


async def _send(request: web.Request, file: BinaryIO, begin: int, count: int) -> None:
    if request.transport is None:
        raise ConnectionResetError("the reader has left")
    sent = await asyncio.get_running_loop().sendfile(request.transport, file, begin, count)
    if sent < count:
        raise ConnectionAbortedError("the file became shorter while it was read")


def _wanted(request: web.Request, tag: str, size: int) -> tuple[int, int]:
    """Return the first byte to send and the one after the last."""
    if request.headers.get("If-Range", tag) != tag:
        return 0, size  # it changed since the reader got the first part: it needs all of it
    try:
        asked = request.http_range
    except ValueError:
        return 0, size  # several ranges, or no range that we know: the whole is a right answer, too
    if asked.start is None:
        return 0, size
    begin, end, _ = asked.indices(size)
    if begin >= end:
        detail = f"the file has {size} bytes; the range {request.headers['Range']!r} is none of them"
        raise Problem(416, "invalid_request", "Range not satisfiable", detail)
    return begin, end
