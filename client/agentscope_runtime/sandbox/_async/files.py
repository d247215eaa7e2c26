"""The files of a sandbox's workspace, streamed both ways and of any size."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any, Literal, overload

from agentscope_runtime.sandbox import calls, wire
from agentscope_runtime.sandbox._async.connection import DownloadAsync
from agentscope_runtime.sandbox._async.holding import HoldingAsync
from agentscope_runtime.sandbox._async.transfers import download_async, upload_async
from agentscope_runtime.sandbox._async.watch import WatchAsync
from agentscope_runtime.sandbox.errors import FileError, InvalidRequest
from agentscope_runtime.sandbox.transport import CHUNK
from agentscope_runtime.sandbox.types import Entries, Entry, OutsideLinks
from agentscope_runtime.sandbox.waiting import run_blocking_async

OCTETS = "application/octet-stream"

Data = str | bytes | bytearray | memoryview | IO[bytes] | AsyncIterable[bytes]
"""What can be written: text (as UTF-8), bytes, an open binary file, or chunks."""


class SandboxFSAsync:
    """`box.fs`: reads and writes the workspace. Paths are relative to it, or absolute inside it."""

    def __init__(self, in_hand: Callable[[], HoldingAsync]) -> None:
        """Serve the sandbox that `in_hand` returns with each call."""
        self._in_hand = in_hand

    @overload
    async def read_async(self, path: str, fmt: Literal["text"] = "text", *, chunk_size: int = CHUNK) -> str: ...
    @overload
    async def read_async(self, path: str, fmt: Literal["bytes"], *, chunk_size: int = CHUNK) -> bytes: ...
    @overload
    async def read_async(self, path: str, fmt: Literal["stream"], *, chunk_size: int = CHUNK) -> DownloadAsync: ...

    async def read_async(
        self, path: str, fmt: Literal["text", "bytes", "stream"] = "text", *, chunk_size: int = CHUNK
    ) -> str | bytes | DownloadAsync:
        """Read a file.

        Args:
            path: The file.
            fmt: `text` for a str (the file must be UTF-8), `bytes`, or `stream` for its chunks as they arrive.
            chunk_size: The most bytes of one chunk of a stream.

        Raises:
            FileNotFound: there is no such file.
            FileError: it is no file, or not UTF-8 where text was asked for.
        """
        if fmt not in ("text", "bytes", "stream"):
            raise InvalidRequest(f"fmt is {fmt!r}; it can be 'text', 'bytes' or 'stream'")
        held = await self._in_hand().opened_async()
        if fmt == "stream":
            return await held.connection.download_async(calls.read_file(held.info.sandbox_id, path), chunk_size)
        data = await held.do_async(calls.read_file, path)
        if fmt == "bytes":
            return data
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise FileError(f"{path!r} is not UTF-8 text ({error.reason}); read it with fmt='bytes'") from error

    async def write_async(self, path: str, data: Data, *, content_type: str = OCTETS) -> Entry:
        """Write a file, whole or not at all; folders on the way are made, an existing file is replaced.

        Args:
            path: The file.
            data: Text (written as UTF-8), bytes, an open binary file, or an iterable of chunks.
            content_type: What it is; sandboxes take any.
        """
        held = await self._in_hand().opened_async()
        if isinstance(data, str):
            data = data.encode()
        if isinstance(data, (bytes, bytearray, memoryview)):
            return await held.do_async(calls.write_file, path, content_type, bytes(data))
        call = calls.write_file(held.info.sandbox_id, path, content_type)
        return await held.connection.send_async(call, _chunks_async(data))

    async def write_many_async(self, files: Iterable[Mapping[str, Any]]) -> Entries:
        """Write several files, one after the other, and return their entries in the same order.

        Args:
            files: For each a mapping with `path`, `data`, and `content_type` if it matters, as for writing one.
        """
        entries = []
        for file in files:
            if missing := {"path", "data"} - set(file):
                raise InvalidRequest(f"each file needs path and data; one has no {' and no '.join(sorted(missing))}")
            content_type = file.get("content_type", OCTETS)
            entries.append(await self.write_async(file["path"], file["data"], content_type=content_type))
        return entries

    async def write_from_path_async(
        self, workspace_path: str, local_path: str | PathLike[str], *, content_type: str = OCTETS
    ) -> Entry:
        """Copy a file of this machine into the workspace.

        Args:
            workspace_path: Where it goes.
            local_path: The file here.
            content_type: What it is; sandboxes take any.
        """
        file = await run_blocking_async(Path(local_path).open, "rb")
        try:
            return await self.write_async(workspace_path, file, content_type=content_type)
        finally:
            await run_blocking_async(file.close)

    async def download_async(
        self, path: str, local_path: str | PathLike[str], *, outside_links: OutsideLinks = "refuse"
    ) -> Path:
        """Copy a file, or a folder with all in it, to this machine, and return where it is.

        It takes its place when all of it is here; if anything goes wrong before, nothing changed. A file goes into
        `local_path` where that is a folder; of a folder, what is in it goes into `local_path`, which may exist: then
        folders are joined, and files of the same names replaced.

        Args:
            path: The file or folder in the sandbox.
            local_path: Where it goes; folders on the way are made.
            outside_links: What becomes of a link in a folder that leads out of it: `refuse` or `skip`. Others stay
                links.

        Raises:
            FileNotFound: there is no such file.
            FileError: it cannot be read there, or not be written here.
        """
        return await download_async(await self._in_hand().opened_async(), path, Path(local_path), outside_links)

    async def upload_async(self, local_path: str | PathLike[str], path: str) -> Entry:
        """Copy a file, or a folder with all in it, into the workspace, and return its entry there.

        It takes its place when all of it is there, as a download does. Links in a folder stay links, and are never
        followed.

        Args:
            local_path: The file or folder here.
            path: Where it goes. With a slash at its end it is the folder that a file goes into. Of a folder, what is
                in it goes into `path`.

        Raises:
            FileError: it cannot be read here, or not be written there.
        """
        return await upload_async(await self._in_hand().opened_async(), Path(local_path), path)

    def watch_async(self, path: str = ".", recursive: bool = False, *, timeout: float | None = None) -> WatchAsync:
        """Hear of changes, as `async with box.fs.watch_async("src") as changes: async for change in changes:`.

        What changes from the moment on that the block begins is told. A watch keeps the sandbox from becoming idle.

        Args:
            path: A folder, or one file.
            recursive: Whether to watch the folders in it, too, and those that are made there later.
            timeout: Seconds after which the changes end by themselves; None waits for ever.

        Raises:
            FileNotFound: nothing is at `path`.
            FileError: it has too many folders, or the host allows no more watches.
        """
        return WatchAsync(self._in_hand(), path, recursive, timeout)

    async def get_download_url_async(self, path: str, *, expires_in: float = wire.LINK_SECONDS) -> str:
        """Return a link with which anybody downloads a file, or a folder as an archive, without a key.

        Args:
            path: The file or folder.
            expires_in: Seconds until it is worthless, up to a week; it is so before when the sandbox is given back.

        Raises:
            FileNotFound: there is no such file.
        """
        return (await self._in_hand().do_async(calls.file_link, path, "GET", expires_in)).url

    async def get_upload_url_async(self, path: str, *, expires_in: float = wire.LINK_SECONDS) -> str:
        """Return a link with which anybody uploads a file, without a key: opened in a browser it asks for one.

        Args:
            path: The file to be written; or a folder, which may end with a slash, for files under names of their own.
            expires_in: Seconds until it is worthless, up to a week; it is so before when the sandbox is given back.
        """
        return (await self._in_hand().do_async(calls.file_link, path, "PUT", expires_in)).url

    async def list_async(self, path: str, depth: int = 1) -> Entries:
        """List a folder.

        Args:
            path: The folder; `.` is the workspace.
            depth: How many levels; 1 is the folder itself.
        """
        return await self._in_hand().do_async(calls.list_files, path, depth)

    async def stat_async(self, path: str) -> Entry:
        """Describe one file or folder.

        Raises:
            FileNotFound: there is none.
        """
        return await self._in_hand().do_async(calls.file_entry, path)

    async def exists_async(self, path: str) -> bool:
        """Tell whether a path exists."""
        return await self._in_hand().do_async(calls.file_exists, path)

    async def remove_async(self, path: str) -> None:
        """Remove a file, or a folder with all in it; a missing one is fine."""
        await self._in_hand().do_async(calls.remove_file, path)

    async def move_async(self, source: str, destination: str) -> Entry:
        """Move or rename a file or folder, and return its new entry."""
        return await self._in_hand().do_async(calls.move_file, source, destination)

    async def mkdir_async(self, path: str) -> bool:
        """Make a folder and its parents; return whether it is new."""
        return await self._in_hand().do_async(calls.make_directory, path)


async def _chunks_async(data: IO[bytes] | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(data, AsyncIterable) and not hasattr(data, "read"):
        async for chunk in data:
            yield chunk
        return
    if not hasattr(data, "read"):
        raise InvalidRequest(f"cannot write a {type(data).__name__}; give text, bytes, a binary file or chunks")
    while piece := await run_blocking_async(data.read, CHUNK):
        if isinstance(piece, str):
            raise InvalidRequest("the file is open as text; open it with mode 'rb'")
        yield piece
