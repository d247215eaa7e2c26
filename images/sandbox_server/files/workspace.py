"""The files of the workspace: read, written in one step, listed, moved, removed; never one outside of it.

Everything here blocks: call it in a thread. How a path is kept inside stands in `confinement`; HTTP is in `routes`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import stat
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO, NamedTuple

from sandbox_server.files.confinement import FOLDER_FLAGS, MissingFile, OutsideWorkspace, Place, WorkspaceError, place
from sandbox_server.files.joining import join

__all__ = ["Entry", "Folder", "MissingFile", "OutsideWorkspace", "Workspace", "WorkspaceError"]

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink"}

Entry = dict[str, Any]

ENTRIES_MAX = 50_000  # their JSON has some ten megabytes
OPEN_FOLDERS = 64
REPLACED_KEPT = 256


class Folder(NamedTuple):
    """An open folder."""

    descriptor: int
    path: str
    """Where that is, for people and for entries; links are resolved."""


class Workspace:
    """The files under one folder."""

    def __init__(self, root: str) -> None:
        """Confine everything to `root`, which need not exist yet."""
        self._root = os.path.normpath(root)
        self._replaced: deque[str] = deque(maxlen=REPLACED_KEPT)

    @contextlib.contextmanager
    def _place(self, path: str, *, follow: bool = True, make_parents: bool = False) -> Iterator[Place]:
        with place(self._root, path, follow=follow, make_parents=make_parents) as found:
            yield found

    @contextlib.contextmanager
    def reading(self, path: str) -> Iterator[BinaryIO]:
        """Open a regular file for reading."""
        with self._place(path) as place:
            # O_NONBLOCK: opening a pipe without a writer would wait for ever.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(place.name or ".", flags, dir_fd=place.folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise WorkspaceError(f"{path!r} is not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            yield file

    @contextlib.contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        """Open a new file that takes its place under `path` in one step, once it is complete; else it is removed."""
        with self._place(path, make_parents=True) as place:
            if not place.name or _is_folder(place):
                raise WorkspaceError(f"{path!r} is a folder")
            temporary = temporary_name(place.name)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, _mode(place), dir_fd=place.folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                if _is_folder(place) is False:
                    self._replaced.append(temporary)
                os.rename(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=place.folder)
                raise

    def has_replaced(self, temporary: str) -> bool:
        """Tell whether the file that was written under this name has lately replaced another."""
        return temporary in self._replaced

    def entry(self, path: str, *, follow: bool = True) -> Entry:
        """Describe one file or folder, or where a link leads; without `follow` the link itself."""
        with self._place(path, follow=follow) as place:
            return _entry(place.folder, place.name or ".", place.path)

    def status(self, path: str) -> os.stat_result:
        """Return what the system knows of one file or folder; a link stands for what it leads to."""
        with self._place(path) as place:
            return os.stat(place.name or ".", dir_fd=place.folder, follow_symlinks=False)

    def exists(self, path: str) -> bool:
        """Return whether something is there."""
        try:
            self.entry(path)
        except MissingFile:
            return False
        return True

    def entries(self, path: str, depth: int) -> list[Entry]:
        """List a folder, sorted by path, and the folders in it down to `depth`; links are not followed."""
        with self._place(path) as place:
            folder = os.open(place.name or ".", FOLDER_FLAGS, dir_fd=place.folder)
            with contextlib.closing(_list(folder, place.path, depth)) as found:
                entries = list(itertools.islice(found, ENTRIES_MAX + 1))
            if len(entries) > ENTRIES_MAX:
                raise WorkspaceError(
                    f"{path!r} has more than {ENTRIES_MAX} entries, the most that can be listed at once: list a folder "
                    "in it, or use depth=1"
                )
            return entries

    @contextlib.contextmanager
    def folder(self, path: str) -> Iterator[Folder]:
        """Open a folder, for all that is in it."""
        with self._place(path) as place:
            try:
                opened = os.open(place.name or ".", FOLDER_FLAGS, dir_fd=place.folder)
            except NotADirectoryError as e:
                raise WorkspaceError(f"{path!r} is no folder") from e
            try:
                yield Folder(opened, place.path)
            finally:
                os.close(opened)

    @contextlib.contextmanager
    def filling(self, path: str) -> Iterator[int]:
        """Open an empty folder; what is put into it moves into `path` once it is complete, else it is removed."""
        with self._place(path, make_parents=True) as place:
            if place.name and _is_folder(place) is False:
                raise WorkspaceError(f"{path!r} is there, and no folder")
            temporary = temporary_name(place.name)
            os.mkdir(temporary, 0o755, dir_fd=place.folder)
            try:
                staged = _open_folder(place.folder, temporary)
                try:
                    yield staged
                    _fill(place, temporary, staged)
                finally:
                    os.close(staged)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    _remove_tree(place.folder, temporary)

    def make_folder(self, path: str) -> bool:
        """Make a folder, and the folders above it; return False if it was there."""
        with self._place(path, make_parents=True) as place:
            if not place.name or _is_folder(place):
                return False
            os.mkdir(place.name, dir_fd=place.folder)
            return True

    def move(self, source: str, destination: str) -> Entry:
        """Move a file, folder or link to a new path; an existing file there is replaced."""
        with self._place(source, follow=False) as old:
            os.stat(old.name or ".", dir_fd=old.folder, follow_symlinks=False)  # missing: say so of the source
            with self._place(destination, follow=False, make_parents=True) as new:
                if not old.name or not new.name:
                    raise WorkspaceError("the workspace itself cannot be moved or replaced")
                os.rename(old.name, new.name, src_dir_fd=old.folder, dst_dir_fd=new.folder)
                return _entry(new.folder, new.name, new.path)

    def remove(self, path: str) -> None:
        """Remove a file, a link, or a folder with all that is in it; what is missing already is fine."""
        with contextlib.suppress(MissingFile), self._place(path, follow=False) as place:
            if not place.name:
                raise WorkspaceError("the workspace itself cannot be removed")
            if _is_folder(place):
                _remove_tree(place.folder, place.name)
            else:
                os.unlink(place.name, dir_fd=place.folder)


def temporary_name(name: str) -> str:
    """Return the name of what takes the place of `name` later."""
    return f".{name[:200]}.{secrets.token_hex(6)}.part"


def _fill(place: Place, temporary: str, staged: int) -> None:
    """Put a complete folder in its place; in one step where there is none of that name."""
    if place.name and _is_folder(place) is None:
        os.rename(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        return
    target = os.open(place.name or ".", FOLDER_FLAGS, dir_fd=place.folder)
    try:
        join(staged, target)
    finally:
        os.close(target)


def _is_folder(place: Place) -> bool | None:
    try:
        return stat.S_ISDIR(os.stat(place.name, dir_fd=place.folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def _remove_tree(parent: int, name: str) -> None:
    """Remove a folder with all that is in it, however deep: neither the stack nor the descriptors grow with that."""
    stack = [(_open_folder(parent, name), name, parent)]
    try:
        todo = [os.listdir(stack[0][0])]
        while stack:
            folder, own_name, above = stack[-1]
            if not todo[-1]:
                os.rmdir(own_name, dir_fd=above)
                os.close(stack.pop()[0])
                todo.pop()
                continue
            child = todo[-1].pop()
            try:
                os.unlink(child, dir_fd=folder)
            except FileNotFoundError:
                continue  # it went while we worked
            except IsADirectoryError:
                if len(stack) < OPEN_FOLDERS:
                    stack.append((_open_folder(folder, child), child, folder))
                    todo.append(os.listdir(stack[-1][0]))
                else:  # go on with it further up
                    moved = f".{secrets.token_hex(8)}.removed"
                    os.rename(child, moved, src_dir_fd=folder, dst_dir_fd=stack[0][0])
                    todo[0].append(moved)
    finally:
        for folder, _, _ in stack:
            os.close(folder)


def _open_folder(parent: int, name: str) -> int:
    return os.open(name, FOLDER_FLAGS, dir_fd=parent)


def _mode(place: Place) -> int:
    """Return the mode of the file that is replaced, so that a script stays executable."""
    try:
        return stat.S_IMODE(os.stat(place.name, dir_fd=place.folder, follow_symlinks=False).st_mode) & 0o777
    except FileNotFoundError:
        return 0o644


def _entry(folder: int, name: str, path: str) -> Entry:
    info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    kind = KINDS.get(stat.S_IFMT(info.st_mode), "other")
    return {
        # A name that is not UTF-8 cannot be asked for, but it must not break the listing.
        "path": os.fsencode(path).decode(errors="replace"),
        "name": os.fsencode(os.path.basename(path)).decode(errors="replace"),
        "type": kind,
        "size": info.st_size if kind == "file" else None,
        "mtime_ms": info.st_mtime_ns // 1_000_000,
    }


def _list(folder: int, path: str, depth: int) -> Generator[Entry]:
    """List an open folder and close it."""
    try:
        for name in sorted(os.listdir(folder)):
            try:
                entry = _entry(folder, name, f"{path}/{name}")
            except FileNotFoundError:
                continue  # it went while we looked
            yield entry
            if depth > 1 and entry["type"] == "dir":
                yield from _list(os.open(name, FOLDER_FLAGS, dir_fd=folder), f"{path}/{name}", depth - 1)
    finally:
        os.close(folder)
