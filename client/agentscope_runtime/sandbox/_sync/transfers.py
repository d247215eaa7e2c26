# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/transfers.py. Do not edit: change that one and run `make unasync`.
"""Files and whole folders between this machine and a sandbox: complete in their place, or not there at all.

What does it here is imported at the first use: importing the package stays cheap.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._sync.holding import Holding
from agentscope_runtime.sandbox.errors import FileError, ManagerUnreachable
from agentscope_runtime.sandbox.transport import CHUNK
from agentscope_runtime.sandbox.types import Entry, OutsideLinks
from agentscope_runtime.sandbox.waiting import run_blocking, shielded


def download(held: Holding, path: str, place: Path, outside_links: OutsideLinks) -> Path:
    """Copy a file or a folder out of the workspace; return where it is."""
    from agentscope_runtime.sandbox.arriving import ArrivingFile, ArrivingFolder

    sandbox_id = held.info.sandbox_id
    entry = held.do(calls.file_entry, path)
    if entry["type"] == "dir":
        call = calls.read_archive(sandbox_id, path)
        stream = held.connection.download(call, CHUNK)
    else:
        call = calls.read_file(sandbox_id, path)
        place = place / entry["name"] if run_blocking(place.is_dir) else place
        stream = held.connection.download(call, CHUNK)
    with stream:
        arriving: ArrivingFile | ArrivingFolder
        if entry["type"] == "dir":
            arriving = run_blocking(ArrivingFolder, place, outside_links)
        else:
            arriving = run_blocking(ArrivingFile, place)
        try:
            for chunk in stream:
                run_blocking(arriving.feed, chunk)
            run_blocking(arriving.keep)
        except ManagerUnreachable:
            # The manager breaks a stream off where the sandbox is no more: then it says so, and why.
            held.do(calls.sandbox)
            raise
        finally:
            with shielded():
                run_blocking(arriving.drop)
    return place


def upload(held: Holding, local: Path, path: str) -> Entry:
    """Copy a file or a folder of this machine into the workspace."""
    sandbox_id = held.info.sandbox_id
    if run_blocking(local.is_dir):
        return held.connection.send(calls.write_archive(sandbox_id, path), _packed(local))
    if path.endswith("/"):
        path = str(PurePosixPath(path, local.name))
    call = calls.write_file(sandbox_id, path, "application/octet-stream")
    return held.connection.send(call, _read(local))


def _packed(folder: Path) -> Iterator[bytes]:
    from agentscope_runtime.sandbox.trees import pack

    pieces = pack(folder)
    while piece := run_blocking(next, pieces, b""):
        yield piece


def _read(local: Path) -> Iterator[bytes]:
    try:
        file = run_blocking(local.open, "rb")
        try:
            while piece := run_blocking(file.read, CHUNK):
                yield piece
        finally:
            run_blocking(file.close)
    except OSError as error:
        raise FileError(f"{str(local)!r} cannot be read: {error.strerror or error}") from error
