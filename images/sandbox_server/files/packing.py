"""Makes a tar stream of a folder: links as they are and never followed, pipes, sockets and devices left out.

Everything here blocks: call it in a thread. The way back is `unpacking`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Generator, Iterator
from typing import NamedTuple

from sandbox_server.files.confinement import FOLDER_FLAGS, WorkspaceError

PIECE = 1 << 20
"""Bytes that are yielded at a time, roughly."""
DEPTH_MAX = 128
"""Folders below each other: each is held open while what is in it is read."""
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
END = b"\0" * 1024
KINDS = {stat.S_IFREG: tarfile.REGTYPE, stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE}


class _Member(NamedTuple):
    folder: int
    """Where it is, open."""
    name: str
    path: str
    """From the folder that is packed."""
    info: os.stat_result


def check(folder: int, path: str) -> None:
    """Look at everything below an open folder before the first byte is sent: after it nobody could be told.

    Raises:
        WorkspaceError: something in it cannot be read; the message names it. `path` is what the folder is called.
    """
    for member in _walk(folder, path):
        if not stat.S_ISLNK(member.info.st_mode) and not os.access(member.name, os.R_OK, dir_fd=member.folder):
            raise WorkspaceError(f"{member.path!r} cannot be read: permission denied")


def pack(folder: int) -> Generator[bytes]:
    """Yield the tar stream of what is below an open folder, which stays open.

    A file that others write to meanwhile comes with the length that it had when its turn came.

    Raises:
        ConnectionAbortedError: a file became shorter while it was read: the stream is none.
    """
    pending = bytearray()
    for member in _walk(folder, ""):
        kind = KINDS.get(stat.S_IFMT(member.info.st_mode))
        if kind == tarfile.REGTYPE:
            yield from _pack_file(member, pending)
        elif kind is not None:
            with contextlib.suppress(FileNotFoundError):  # it went while we looked
                pending += _header(member, kind)
        if len(pending) >= PIECE:
            yield _taken(pending)
    pending += END
    yield bytes(pending)


def _pack_file(member: _Member, pending: bytearray) -> Iterator[bytes]:
    try:
        descriptor = os.open(member.name, FILE_FLAGS, dir_fd=member.folder)
    except FileNotFoundError:
        return  # it went while we looked
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        # What fits into one piece is read before its length is said, so that it cannot be torn.
        data = file.read(PIECE)
        size = left = max(len(data), os.fstat(descriptor).st_size) if len(data) == PIECE else len(data)
        pending += _header(member, tarfile.REGTYPE, size)
        while left:
            if not data:
                raise ConnectionAbortedError(f"{member.path!r} became shorter while it was read")
            pending += data[:left]
            left -= min(left, len(data))
            if len(pending) >= PIECE:
                yield _taken(pending)
            data = file.read(min(PIECE, left)) if left else b""
        pending += b"\0" * (-size % tarfile.BLOCKSIZE)


def _header(member: _Member, kind: bytes, size: int = 0) -> bytes:
    header = tarfile.TarInfo(member.path)
    header.type, header.size = kind, size
    header.mode, header.mtime = stat.S_IMODE(member.info.st_mode) & 0o777, int(member.info.st_mtime)
    if kind == tarfile.SYMTYPE:
        header.linkname = os.readlink(member.name, dir_fd=member.folder)
    return header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _taken(pending: bytearray) -> bytes:
    piece = bytes(pending)
    pending.clear()
    return piece


def _walk(folder: int, path: str) -> Iterator[_Member]:
    """Yield everything below an open folder, a folder before what is in it."""
    stack = [(folder, path, iter(sorted(os.listdir(folder))))]
    try:
        while stack:
            above, prefix, names = stack[-1]
            name = next(names, None)
            if name is None:
                _leave(stack)
                continue
            here = f"{prefix}/{name}" if prefix else name
            try:
                member = _Member(above, name, here, os.stat(name, dir_fd=above, follow_symlinks=False))
                yield member
                if stat.S_ISDIR(member.info.st_mode):
                    if len(stack) >= DEPTH_MAX:
                        raise WorkspaceError(f"{here!r} is more than {DEPTH_MAX} folders deep: archive a part of it")
                    opened = os.open(name, FOLDER_FLAGS, dir_fd=above)
                    stack.append((opened, here, iter(sorted(os.listdir(opened)))))
            except FileNotFoundError:
                continue  # it went while we looked
    finally:
        while len(stack) > 1:
            _leave(stack)


def _leave(stack: list[tuple[int, str, Iterator[str]]]) -> None:
    folder, _, _ = stack.pop()
    if stack:  # the first is the caller's
        os.close(folder)
