"""Folders of this machine as tar streams, and back: what a sandbox sends is not trusted to stay in its folder.

Everything here blocks. Not here: how a stream travels (`_async/transfers`), and how what arrived takes its place
(`arriving`).
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO

from agentscope_runtime.sandbox.errors import FileError, InvalidRequest
from agentscope_runtime.sandbox.transport import CHUNK
from agentscope_runtime.sandbox.types import OutsideLinks

READ = 1 << 16
"""Bytes that tarfile reads at a time: it copies what it holds with each header, so no more than this."""
MODE = stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH
KINDS = {stat.S_IFREG: tarfile.REGTYPE, stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE}


def pack(folder: Path) -> Iterator[bytes]:
    """Yield the tar stream of what is in a folder: links as they are; pipes, sockets and devices left out.

    Raises:
        FileError: something in it cannot be read.
    """
    pending = bytearray()
    for path, info in _walk(folder):
        header = tarfile.TarInfo(path.relative_to(folder).as_posix())
        header.mode, header.mtime = stat.S_IMODE(info.st_mode) & 0o777, int(info.st_mtime)
        header.type = KINDS[stat.S_IFMT(info.st_mode)]
        if header.issym():
            header.linkname = os.readlink(path)
        if not header.isreg():
            pending += _encoded(header)
            continue
        for piece in _file(path, header):
            pending += piece
            if len(pending) >= CHUNK:
                yield bytes(pending)
                pending.clear()
    yield bytes(pending) + bytes(2 * tarfile.BLOCKSIZE)


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield all that a stream can carry, a folder before what is in it."""
    todo = [folder]
    while todo:
        path = todo.pop()
        try:
            info = path.lstat()
            if stat.S_ISDIR(info.st_mode) or path == folder:
                todo += sorted(path.iterdir(), reverse=True)
        except OSError as error:
            raise _unreadable(path, error) from error
        if path != folder and stat.S_IFMT(info.st_mode) in KINDS:
            yield path, info


def _file(path: Path, header: tarfile.TarInfo) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            header.size = left = os.fstat(file.fileno()).st_size
            yield _encoded(header)
            while left:
                if not (piece := file.read(min(CHUNK, left))):
                    raise FileError(f"{str(path)!r} became shorter while it was read; try again")
                left -= len(piece)
                yield piece
    except OSError as error:
        raise _unreadable(path, error) from error
    yield bytes(-header.size % tarfile.BLOCKSIZE)


def _encoded(header: tarfile.TarInfo) -> bytes:
    return header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _unreadable(path: Path, error: OSError) -> FileError:
    return FileError(f"{str(path)!r} cannot be read: {error.strerror or error}")


class Unpacking:
    """A tar stream on its way into an empty folder: fed here, unpacked by a thread of its own."""

    def __init__(self, folder: Path, outside_links: OutsideLinks) -> None:
        """Begin; `finish` or `drop` ends it."""
        if outside_links not in ("refuse", "skip"):
            raise InvalidRequest(f"outside_links is {outside_links!r}; it can be 'refuse' or 'skip'")
        self._folder = folder
        self._skip = outside_links == "skip"
        out, into = os.pipe()
        self._into = os.fdopen(into, "wb")
        self._threads = ThreadPoolExecutor(1, "unpacking")
        self._done = self._threads.submit(self._run, os.fdopen(out, "rb"))

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk; waits until there is room for it.

        Raises:
            FileError: what came cannot be unpacked.
        """
        try:
            self._into.write(chunk)
        except BrokenPipeError:
            self.finish()

    def finish(self) -> None:
        """Say that this was all, and wait until it is unpacked.

        Raises:
            FileError: it cannot be unpacked.
        """
        self.drop()
        try:
            self._done.result()
        except OSError as error:
            raise FileError(f"could not write to {str(self._folder)!r}: {error.strerror or error}") from error
        except tarfile.TarError as error:
            raise FileError(f"what the sandbox sent is no archive: {error}") from error

    def drop(self) -> None:
        """End it, whatever came so far."""
        with contextlib.suppress(BrokenPipeError):
            self._into.close()
        self._threads.shutdown()

    def _run(self, source: IO[bytes]) -> None:
        with source, tarfile.open(fileobj=source, mode="r|", bufsize=READ) as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else it grows with the stream
                self._place(archive, member)
            while source.read(READ):
                pass

    def _place(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        names = PurePosixPath(member.name).parts
        if not names or ".." in names or member.name.startswith("/") or self._through_a_link(names):
            raise FileError(f"the sandbox sent {member.name!r}, which leads out of the folder")
        path = self._folder.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.isdir():
            path.mkdir(exist_ok=True)
            path.chmod(member.mode & MODE | stat.S_IRWXU)
        elif member.issym():
            if _leads_out(member.linkname, len(names) - 1):
                self._refuse(member)
            else:
                path.symlink_to(member.linkname)
        elif member.isreg():
            _write(archive, member, path)
        else:
            raise FileError(f"the sandbox sent {member.name!r}, which is no file, folder or link")

    def _through_a_link(self, names: tuple[str, ...]) -> bool:
        # What is there was all put there by us: a check holds until we make the next thing.
        return any(self._folder.joinpath(*names[:count]).is_symlink() for count in range(1, len(names) + 1))

    def _refuse(self, member: tarfile.TarInfo) -> None:
        if not self._skip:
            raise FileError(
                f"{member.name!r} is a link to {member.linkname!r}, out of the folder; leave such links out with "
                "outside_links='skip'"
            )


def _leads_out(target: str, depth: int) -> bool:
    """Tell whether a link, so many folders below the top, may lead out of it.

    After other names `..` may be anywhere, since those can be links, too: such a target counts as leading out.
    """
    names = [name for name in target.split("/") if name not in ("", ".")]
    ups = len(names) - len(list(_without_leading_ups(names)))
    return target.startswith("/") or "\\" in target or ups > depth or ".." in names[ups:]


def _without_leading_ups(names: list[str]) -> Iterator[str]:
    leading = True
    for name in names:
        leading = leading and name == ".."
        if not leading:
            yield name


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = archive.extractfile(member)
    assert content is not None
    with path.open("xb") as file:
        while piece := content.read(CHUNK):
            file.write(piece)
    path.chmod(member.mode & MODE | stat.S_IRUSR | stat.S_IWUSR)
    os.utime(path, (member.mtime, member.mtime))
