"""Files and whole folders between this machine and a sandbox: complete in their place, or not there at all.

What does it here is imported at the first use: importing the package stays cheap.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.holding import HoldingAsync
from agentscope_runtime.sandbox.errors import FileError, ManagerUnreachable
from agentscope_runtime.sandbox.transport import CHUNK
from agentscope_runtime.sandbox.types import Entry, OutsideLinks
from agentscope_runtime.sandbox.waiting import run_blocking_async, shielded_async


async def download_async(held: HoldingAsync, path: str, place: Path, outside_links: OutsideLinks) -> Path:
    """Copy a file or a folder out of the workspace; return where it is."""
    from agentscope_runtime.sandbox.arriving import ArrivingFile, ArrivingFolder

    sandbox_id = held.info.sandbox_id
    entry = await held.do_async(calls.file_entry, path)
    if entry["type"] == "dir":
        call = calls.read_archive(sandbox_id, path)
        stream = await held.connection.download_async(call, CHUNK)
    else:
        call = calls.read_file(sandbox_id, path)
        place = place / entry["name"] if await run_blocking_async(place.is_dir) else place
        stream = await held.connection.download_async(call, CHUNK)
    async with stream:
        arriving: ArrivingFile | ArrivingFolder
        if entry["type"] == "dir":
            arriving = await run_blocking_async(ArrivingFolder, place, outside_links)
        else:
            arriving = await run_blocking_async(ArrivingFile, place)
        try:
            async for chunk in stream:
                await run_blocking_async(arriving.feed, chunk)
            await run_blocking_async(arriving.keep)
        except ManagerUnreachable:
            # The manager breaks a stream off where the sandbox is no more: then it says so, and why.
            await held.do_async(calls.sandbox)
            raise
        finally:
            with shielded_async():
                await run_blocking_async(arriving.drop)
    return place


async def upload_async(held: HoldingAsync, local: Path, path: str) -> Entry:
    """Copy a file or a folder of this machine into the workspace."""
    sandbox_id = held.info.sandbox_id
    if await run_blocking_async(local.is_dir):
        return await held.connection.send_async(calls.write_archive(sandbox_id, path), _packed_async(local))
    if path.endswith("/"):
        path = str(PurePosixPath(path, local.name))
    call = calls.write_file(sandbox_id, path, "application/octet-stream")
    return await held.connection.send_async(call, _read_async(local))


async def _packed_async(folder: Path) -> AsyncIterator[bytes]:
    from agentscope_runtime.sandbox.trees import pack

    pieces = pack(folder)
    while piece := await run_blocking_async(next, pieces, b""):
        yield piece


async def _read_async(local: Path) -> AsyncIterator[bytes]:
    try:
        file = await run_blocking_async(local.open, "rb")
        try:
            while piece := await run_blocking_async(file.read, CHUNK):
                yield piece
        finally:
            await run_blocking_async(file.close)
    except OSError as error:
        raise FileError(f"{str(local)!r} cannot be read: {error.strerror or error}") from error
