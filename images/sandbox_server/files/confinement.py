"""Finds a place below a folder, and never one outside of it, whatever links the user's code makes meanwhile.

A path is walked one name at a time, each opened relative to the folder before it and never through a link; links are
read and followed by us. So there is no moment between a check and its use. Not here: what is done at the place.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

LINKS_MAX = 40  # as the kernel's own limit
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OutsideWorkspace(Exception):
    """The path, as it was given, leads out of the workspace."""


class WorkspaceError(Exception):
    """The file cannot be used as asked: a link out of the workspace, a folder instead of a file, a full disk."""


class MissingFile(Exception):
    """Nothing is there."""


@dataclass(frozen=True, slots=True)
class Place:
    """One name in an open folder; the name is empty for the workspace itself."""

    folder: int
    name: str
    path: str
    """Where that is, for people and for entries; links are resolved."""


def names_below(root: str, path: str) -> list[str]:
    """Split a path, absolute or relative to `root`, into names below it.

    Raises:
        OutsideWorkspace: it leads out of it, or cannot be a path at all.
    """
    if "\0" in path or not path:
        raise OutsideWorkspace(f"{path!r} is not a path")
    try:
        path.encode()
    except UnicodeEncodeError as e:
        raise OutsideWorkspace(f"{path!r} is not Unicode text") from e
    absolute = PurePosixPath(os.path.normpath(os.path.join(root, path)))
    if not absolute.is_relative_to(root):
        raise OutsideWorkspace(f"{path!r} is outside of {root}")
    return list(absolute.relative_to(root).parts)


@contextlib.contextmanager
def place(root: str, path: str, *, follow: bool = True, make_parents: bool = False) -> Iterator[Place]:
    """Find where `path` is, with the folder that holds it open; the last name need not exist.

    Args:
        root: The folder that everything is confined to; absolute and normal.
        path: Relative to `root`, or absolute and inside of it.
        follow: Whether a link in the last place is followed, too.
        make_parents: Whether missing folders on the way are made.
    """
    walk = _Walk(root, follow=follow, make_parents=make_parents)
    with _translated(path):
        try:
            yield walk.to(names_below(root, path))
        finally:
            walk.close()


class _Walk:
    """One walk from the root, holding the folders that it has come through, so that `..` in a link can go back."""

    def __init__(self, root: str, *, follow: bool, make_parents: bool) -> None:
        self._root = root
        self._follow = follow
        self._make_parents = make_parents
        self._folders: list[int] = []
        self._names: list[str] = []

    def to(self, names: list[str]) -> Place:
        """Walk to the folder of the last name."""
        self._folders.append(os.open(self._root, FOLDER_FLAGS))
        todo = list(reversed(names))
        links = 0
        while todo:
            name = todo.pop()
            if name == "..":
                self._back()
                continue
            target = self._link(name) if todo or self._follow else None
            if target is not None:
                links += 1
                if links > LINKS_MAX:
                    raise WorkspaceError(f"too many links at {self._here(name)!r}")
                todo.extend(reversed(self._below(target, name)))
            elif todo:
                self._enter(name)
            else:
                return Place(self._folders[-1], name, self._here(name))
        return self._last_folder()

    def close(self) -> None:
        """Close the folders."""
        for folder in self._folders:
            os.close(folder)

    def _last_folder(self) -> Place:
        """The walk ended in a folder: name it from the one above, except for the root."""
        if not self._names:
            return Place(self._folders[-1], "", self._root)
        name = self._names.pop()
        os.close(self._folders.pop())
        return Place(self._folders[-1], name, self._here(name))

    def _link(self, name: str) -> str | None:
        try:
            return os.readlink(name, dir_fd=self._folders[-1])
        except OSError as e:
            if e.errno in (errno.EINVAL, errno.ENOENT):  # no link, or nothing
                return None
            raise

    def _below(self, target: str, name: str) -> list[str]:
        """Return the names that a link leads through; an absolute one must begin with the workspace, and restarts."""
        parts = [part for part in target.split("/") if part not in ("", ".")]
        if not target.startswith("/"):
            return parts
        root = self._root.strip("/").split("/")
        if parts[: len(root)] != root:
            raise WorkspaceError(f"{self._here(name)!r} is a link out of the workspace")
        while self._names:
            self._back()
        return parts[len(root) :]

    def _back(self) -> None:
        if not self._names:
            raise WorkspaceError("a link leads out of the workspace")
        self._names.pop()
        os.close(self._folders.pop())

    def _enter(self, name: str) -> None:
        try:
            folder = os.open(name, FOLDER_FLAGS, dir_fd=self._folders[-1])
        except FileNotFoundError:
            if not self._make_parents:
                raise
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=self._folders[-1])
            folder = os.open(name, FOLDER_FLAGS, dir_fd=self._folders[-1])
        self._folders.append(folder)
        self._names.append(name)

    def _here(self, name: str) -> str:
        return "/".join([self._root, *self._names, name])


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as e:
        raise MissingFile(f"there is no {path!r}") from e
    except OSError as e:
        causes = {
            errno.ENOTDIR: "a part of the path is not a folder",
            errno.ELOOP: "a link changed while it was followed",
            errno.EISDIR: "it is a folder",
            errno.ENOSPC: "the disk of the sandbox is full",
            errno.EDQUOT: "the disk of the sandbox is full",
        }
        raise WorkspaceError(f"{path!r}: {causes.get(e.errno or 0, e.strerror)}") from e
