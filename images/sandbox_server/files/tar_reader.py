"""Reads a tar stream member by member, in bounded memory, and takes a broken one for what it is.

The standard library's reader takes a damaged header for the end, keeps a list of all members, and reads long names of
any length; only its parser of a single header is used here. Not here: what becomes of the members (`unpacking`).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

PIECE = 1 << 20
"""Bytes of content that are read at a time."""
EXTENDED_MAX = 1 << 20
"""Bytes of one header that extends another; a path has 4096 at most."""
EXTENDED = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}
LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}


class BrokenArchive(Exception):
    """The stream is no tar archive, is damaged or cut off, or has what this reader does not take."""


class TarReader:
    """Yields the members of one stream; the content of each must be read, or skipped, before the next."""

    def __init__(self, source: BinaryIO) -> None:
        """Read from `source`, whose `read(size)` gives all that was asked for, or less at its end."""
        self._source = source
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Yield each file, folder, link or other thing, with its whole name.

        Raises:
            BrokenArchive: the message says what is wrong.
        """
        more: dict[str, str] = {}
        while (member := self._header()) is not None:
            if member.type in EXTENDED:
                more.update(_records(self._whole(member)))
            elif member.type in LONG:
                more[LONG[member.type]] = _text(self._whole(member).rstrip(b"\0"))
            elif member.type != tarfile.XGLTYPE:
                _extend(member, more)
                more = {}
                self._begin(member.size if member.isreg() else 0)
                yield member
            self._skip()

    def content(self) -> Iterator[bytes]:
        """Yield the content of the present member."""
        while self._left:
            piece = self._read(min(PIECE, self._left))
            self._left -= len(piece)
            yield piece

    def _header(self) -> tarfile.TarInfo | None:
        block = self._read(tarfile.BLOCKSIZE)
        if not any(block):
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as e:
            raise BrokenArchive(f"it is no tar archive, or damaged ({e})") from e
        self._begin(header.size)
        return header

    def _begin(self, size: int) -> None:
        if size < 0:
            raise BrokenArchive("it is damaged (a size is below zero)")
        self._left, self._padding = size, -size % tarfile.BLOCKSIZE

    def _whole(self, member: tarfile.TarInfo) -> bytes:
        if member.size > EXTENDED_MAX:
            raise BrokenArchive(f"it has a header of {member.size} bytes; {EXTENDED_MAX} are the most")
        return b"".join(self.content())

    def _skip(self) -> None:
        for _ in self.content():
            pass
        self._read(self._padding)
        self._padding = 0

    def _read(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            raise BrokenArchive("it is cut off: its end is missing")
        return data


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """Read the records of a pax header: `<length> <key>=<value>\\n`."""
    while data:
        digits, _, _ = data[:20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        key, found, value = data[len(digits) + 1 : length - 1].partition(b"=")
        if not found or length > len(data):
            raise BrokenArchive("it is damaged (a pax header cannot be read)")
        yield _text(key), _text(value)
        data = data[length:]


def _extend(member: tarfile.TarInfo, more: dict[str, str]) -> None:
    if member.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse") for key in more):
        raise BrokenArchive(f"{member.name!r} is stored as a sparse file: make the archive without --sparse")
    try:
        member.name = more.get("path", member.name)
        member.linkname = more.get("linkpath", member.linkname)
        member.size = int(more.get("size", member.size))
        member.mtime = float(more.get("mtime", member.mtime))
    except ValueError as e:
        raise BrokenArchive(f"it is damaged (a pax header cannot be read: {e})") from e
    if "\0" in member.name + member.linkname:
        raise BrokenArchive(f"it has {member.name!r}, which is no path")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
