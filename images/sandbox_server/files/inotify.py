"""The kernel's notices of changed files, by ctypes: three calls and a record, for which no package is needed.

Not here: what the notices mean (`watch`).
"""

from __future__ import annotations

import errno
import os
import struct
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from sandbox_server.files.confinement import WorkspaceError

if TYPE_CHECKING:
    import ctypes  # at the first watch: a box must start fast

ATTRIB, MODIFY = 0x004, 0x002
MOVED_FROM, MOVED_TO = 0x040, 0x080
CREATE, DELETE = 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
OVERFLOW, IGNORED = 0x4000, 0x8000
ISDIR, ONLYDIR, EXCL_UNLINK = 0x40000000, 0x01000000, 0x04000000

WANTED = ATTRIB | MODIFY | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF | ONLYDIR | EXCL_UNLINK
RECORD = struct.Struct("iIII")
BUFFER = 1 << 16
CURES = {
    errno.EMFILE: "the host lets this user watch no more at a time: raise its sysctl fs.inotify.max_user_instances",
    errno.ENOSPC: "the host lets this user watch no more folders: raise its sysctl fs.inotify.max_user_watches",
}


class Notice(NamedTuple):
    """One record of the kernel."""

    watch: int
    """Which folder."""
    mask: int
    cookie: int
    """Joins the two halves of a move."""
    name: str
    """In the folder; empty where it is the folder itself."""


class Inotify:
    """One queue of notices about folders."""

    def __init__(self) -> None:
        """Make an empty one; `close` it.

        Raises:
            WorkspaceError: the host allows no more of them.
        """
        self.descriptor = _checked(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def add(self, folder: int) -> int:
        """Watch an open folder, and return the number that its notices carry.

        Raises:
            WorkspaceError: the host allows no more of them.
        """
        # By its descriptor: a name could lead elsewhere by now.
        path = f"/proc/self/fd/{folder}".encode()
        return _checked(_libc().inotify_add_watch(self.descriptor, path, WANTED))

    def remove(self, watch: int) -> None:
        """Watch this folder no longer; one that is gone is fine."""
        _libc().inotify_rm_watch(self.descriptor, watch)

    def read(self) -> list[Notice]:
        """Return some of the notices that wait, in order; none if none do."""
        try:
            data = os.read(self.descriptor, BUFFER)
        except BlockingIOError:
            return []
        notices = []
        position = 0
        while position < len(data):
            watch, mask, cookie, length = RECORD.unpack_from(data, position)
            position += RECORD.size
            name = data[position : position + length].rstrip(b"\0")
            notices.append(Notice(watch, mask, cookie, os.fsdecode(name)))
            position += length
        return notices

    def close(self) -> None:
        """End all watches."""
        os.close(self.descriptor)


@cache
def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result >= 0:
        return result
    import ctypes

    number = ctypes.get_errno()
    if number in CURES:
        raise WorkspaceError(CURES[number])
    raise OSError(number, os.strerror(number))
