"""Unpacks a tar stream into an empty folder, of which nothing leads out.

Names are walked folder by folder and never through a link, devices and pipes are refused. Links may point anywhere, as
the user's code may make them, too; nobody here follows them. Everything blocks: call it in a thread. The way back is
`packing`; how the folder takes its place is in `workspace` and `joining`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from sandbox_server.files.confinement import FOLDER_FLAGS
from sandbox_server.files.tar_reader import BrokenArchive, TarReader

DEPTH_MAX = 128
"""Folders below each other; each is held open while they are joined with the workspace's."""
FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(source: BinaryIO, folder: int) -> None:
    """Put every member of a tar stream below an open, empty folder.

    Args:
        source: Gives the stream by `read(size)`.
        folder: Nothing else may write to it.

    Raises:
        BrokenArchive: it is no tar stream, not a whole one, or has a member that cannot be had; the message names it.
    """
    archive = TarReader(source)
    for member in archive:
        with _parent(folder, member.name) as (above, name):
            if name:  # else it is the folder itself, which some programs put first
                _place(archive, member, folder, above, name)


def _place(archive: TarReader, member: tarfile.TarInfo, root: int, above: int, name: str) -> None:
    mode = member.mode & 0o777
    if member.isdir():
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=above)
        with _opened(above, name, member.name) as made:
            os.fchmod(made, mode | stat.S_IRWXU)  # else nothing could be put into it, or removed
        return
    with contextlib.suppress(FileNotFoundError):  # the last of several members of one name is the one that counts
        if not stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=above)
    if member.issym():
        os.symlink(member.linkname, name, dir_fd=above)
    elif member.islnk():
        with _parent(root, member.linkname) as (folder, other):
            os.link(other, name, src_dir_fd=folder, dst_dir_fd=above, follow_symlinks=False)
    elif member.isreg():
        _write(archive, member, above, name, mode)
    else:
        raise BrokenArchive(f"it has {member.name!r}, which is a device or a pipe: only files can be had")


def _write(archive: TarReader, member: tarfile.TarInfo, above: int, name: str, mode: int) -> None:
    descriptor = os.open(name, FILE_FLAGS, 0o600, dir_fd=above)
    with os.fdopen(descriptor, "wb") as file:
        for piece in archive.content():
            file.write(piece)
        os.fchmod(descriptor, mode)
        file.flush()  # else the last write would set the time anew
        with contextlib.suppress(OverflowError, ValueError):  # a time that is none
            os.utime(descriptor, (member.mtime, member.mtime))


@contextlib.contextmanager
def _parent(root: int, path: str) -> Iterator[tuple[int, str]]:
    """Open the folder that a member stands in, making what is missing, and yield it with the member's own name."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if path.startswith("/") or ".." in names:
        raise BrokenArchive(f"it has {path!r}, which leads out of the folder that it is unpacked in")
    if len(names) > DEPTH_MAX:
        raise BrokenArchive(f"it has {path!r}, which is more than {DEPTH_MAX} folders deep")
    folder = os.dup(root)
    try:
        for name in names[:-1]:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            inner = _open(folder, name, path)
            os.close(folder)
            folder = inner
        yield folder, names[-1] if names else ""
    finally:
        os.close(folder)


def _open(folder: int, name: str, path: str) -> int:
    try:
        return os.open(name, FOLDER_FLAGS, dir_fd=folder)
    except NotADirectoryError as e:
        raise BrokenArchive(f"it has {path!r}, but {name!r} on the way is no folder in it") from e


@contextlib.contextmanager
def _opened(folder: int, name: str, path: str) -> Iterator[int]:
    opened = _open(folder, name, path)
    try:
        yield opened
    finally:
        os.close(opened)
