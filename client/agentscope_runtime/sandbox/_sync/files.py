# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/files.py. Do not edit: change that one and run `make unasync`.
"""The files of a sandbox's workspace, streamed both ways and of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any, Literal, overload

from agentscope_runtime.sandbox import calls, wire
from agentscope_runtime.sandbox._sync.connection import Download
from agentscope_runtime.sandbox._sync.holding import Holding
from agentscope_runtime.sandbox._sync.transfers import download, upload
from agentscope_runtime.sandbox._sync.watch import Watch
from agentscope_runtime.sandbox.errors import FileError, InvalidRequest
from agentscope_runtime.sandbox.transport import CHUNK
from agentscope_runtime.sandbox.types import Entries, Entry, OutsideLinks
from agentscope_runtime.sandbox.waiting import run_blocking

OCTETS = "application/octet-stream"

Data = str | bytes | bytearray | memoryview | IO[bytes] | Iterable[bytes]
"""What can be written: text (as UTF-8), bytes, an open binary file, or chunks."""


class SandboxFS:
    """`box.fs`: reads and writes the workspace. Paths are relative to it, or absolute inside it."""

    def __init__(self, in_hand: Callable[[], Holding]) -> None:
        """Serve the sandbox that `in_hand` returns with each call."""
        self._in_hand = in_hand

    @overload
    def read(self, path: str, fmt: Literal["text"] = "text", *, chunk_size: int = CHUNK) -> str: ...
    @overload
    def read(self, path: str, fmt: Literal["bytes"], *, chunk_size: int = CHUNK) -> bytes: ...
    @overload
    def read(self, path: str, fmt: Literal["stream"], *, chunk_size: int = CHUNK) -> Download: ...

    def read(
        self, path: str, fmt: Literal["text", "bytes", "stream"] = "text", *, chunk_size: int = CHUNK
    ) -> str | bytes | Download:
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
        held = self._in_hand().opened()
        if fmt == "stream":
            return held.connection.download(calls.read_file(held.info.sandbox_id, path), chunk_size)
        data = held.do(calls.read_file, path)
        if fmt == "bytes":
            return data
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise FileError(f"{path!r} is not UTF-8 text ({error.reason}); read it with fmt='bytes'") from error

    def write(self, path: str, data: Data, *, content_type: str = OCTETS) -> Entry:
        """Write a file, whole or not at all; folders on the way are made, an existing file is replaced.

        Args:
            path: The file.
            data: Text (written as UTF-8), bytes, an open binary file, or an iterable of chunks.
            content_type: What it is; sandboxes take any.
        """
        held = self._in_hand().opened()
        if isinstance(data, str):
            data = data.encode()
        if isinstance(data, (bytes, bytearray, memoryview)):
            return held.do(calls.write_file, path, content_type, bytes(data))
        call = calls.write_file(held.info.sandbox_id, path, content_type)
        return held.connection.send(call, _chunks(data))

    def write_many(self, files: Iterable[Mapping[str, Any]]) -> Entries:
        """Write several files, one after the other, and return their entries in the same order.

        Args:
            files: For each a mapping with `path`, `data`, and `content_type` if it matters, as for writing one.
        """
        entries = []
        for file in files:
            if missing := {"path", "data"} - set(file):
                raise InvalidRequest(f"each file needs path and data; one has no {' and no '.join(sorted(missing))}")
            content_type = file.get("content_type", OCTETS)
            entries.append(self.write(file["path"], file["data"], content_type=content_type))
        return entries

    def write_from_path(
        self, workspace_path: str, local_path: str | PathLike[str], *, content_type: str = OCTETS
    ) -> Entry:
        """Copy a file of this machine into the workspace.

        Args:
            workspace_path: Where it goes.
            local_path: The file here.
            content_type: What it is; sandboxes take any.
        """
        file = run_blocking(Path(local_path).open, "rb")
        try:
            return self.write(workspace_path, file, content_type=content_type)
        finally:
            run_blocking(file.close)

    def download(
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
        return download(self._in_hand().opened(), path, Path(local_path), outside_links)

    def upload(self, local_path: str | PathLike[str], path: str) -> Entry:
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
        return upload(self._in_hand().opened(), Path(local_path), path)

    def watch(self, path: str = ".", recursive: bool = False, *, timeout: float | None = None) -> Watch:
        """Hear of changes, as `with box.fs.watch("src") as changes: for change in changes:`.

        What changes from the moment on that the block begins is told. A watch keeps the sandbox from becoming idle.

        Args:
            path: A folder, or one file.
            recursive: Whether to watch the folders in it, too, and those that are made there later.
            timeout: Seconds after which the changes end by themselves; None waits for ever.

        Raises:
            FileNotFound: nothing is at `path`.
            FileError: it has too many folders, or the host allows no more watches.
        """
        return Watch(self._in_hand(), path, recursive, timeout)

    def get_download_url(self, path: str, *, expires_in: float = wire.LINK_SECONDS) -> str:
        """Return a link with which anybody downloads a file, or a folder as an archive, without a key.

        Args:
            path: The file or folder.
            expires_in: Seconds until it is worthless, up to a week; it is so before when the sandbox is given back.

        Raises:
            FileNotFound: there is no such file.
        """
        return (self._in_hand().do(calls.file_link, path, "GET", expires_in)).url

    def get_upload_url(self, path: str, *, expires_in: float = wire.LINK_SECONDS) -> str:
        """Return a link with which anybody uploads a file, without a key: opened in a browser it asks for one.

        Args:
            path: The file to be written; or a folder, which may end with a slash, for files under names of their own.
            expires_in: Seconds until it is worthless, up to a week; it is so before when the sandbox is given back.
        """
        return (self._in_hand().do(calls.file_link, path, "PUT", expires_in)).url

    def list(self, path: str, depth: int = 1) -> Entries:
        """List a folder.

        Args:
            path: The folder; `.` is the workspace.
            depth: How many levels; 1 is the folder itself.
        """
        return self._in_hand().do(calls.list_files, path, depth)

    def stat(self, path: str) -> Entry:
        """Describe one file or folder.

        Raises:
            FileNotFound: there is none.
        """
        return self._in_hand().do(calls.file_entry, path)

    def exists(self, path: str) -> bool:
        """Tell whether a path exists."""
        return self._in_hand().do(calls.file_exists, path)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all in it; a missing one is fine."""
        self._in_hand().do(calls.remove_file, path)

    def move(self, source: str, destination: str) -> Entry:
        """Move or rename a file or folder, and return its new entry."""
        return self._in_hand().do(calls.move_file, source, destination)

    def mkdir(self, path: str) -> bool:
        """Make a folder and its parents; return whether it is new."""
        return self._in_hand().do(calls.make_directory, path)


def _chunks(data: IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(data, Iterable) and not hasattr(data, "read"):
        for chunk in data:
            yield chunk
        return
    if not hasattr(data, "read"):
        raise InvalidRequest(f"cannot write a {type(data).__name__}; give text, bytes, a binary file or chunks")
    while piece := run_blocking(data.read, CHUNK):
        if isinstance(piece, str):
            raise InvalidRequest("the file is open as text; open it with mode 'rb'")
        yield piece
