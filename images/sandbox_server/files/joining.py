"""Joins a folder with what is in its place already: folders with folders, files in the place of files.

Everything blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from sandbox_server.files.confinement import FOLDER_FLAGS, WorkspaceError


def join(staged: int, target: int) -> None:
    """Move all that is in one open folder into another: folders are joined, files and links replaced.

    Raises:
        WorkspaceError: a folder would replace something else, or be replaced; nothing was moved then.
    """
    _check(staged, target, "")
    _join(staged, target)


def _check(staged: int, target: int, path: str) -> None:
    for name, is_folder, there in _pairs(staged, target):
        here = f"{path}/{name}" if path else name
        if there is None or not (is_folder or there):
            continue
        if is_folder != there:
            what, other = ("a folder", "none") if is_folder else ("no folder", "one")
            raise WorkspaceError(f"{here!r} is {what} in the archive, and {other} in the workspace: remove it first")
        with _opened(staged, name) as inner, _opened(target, name) as outer:
            _check(inner, outer, here)


def _join(staged: int, target: int) -> None:
    for name, is_folder, there in _pairs(staged, target):
        if is_folder and there:
            with _opened(staged, name) as inner, _opened(target, name) as outer:
                _join(inner, outer)
            os.rmdir(name, dir_fd=staged)
        else:
            os.rename(name, name, src_dir_fd=staged, dst_dir_fd=target)


@contextlib.contextmanager
def _opened(folder: int, name: str) -> Iterator[int]:
    opened = os.open(name, FOLDER_FLAGS, dir_fd=folder)
    try:
        yield opened
    finally:
        os.close(opened)


def _pairs(staged: int, target: int) -> list[tuple[str, bool, bool | None]]:
    """Return for each name whether it is a folder here, and there; None where there is nothing of that name."""
    pairs: list[tuple[str, bool, bool | None]] = []
    for name in os.listdir(staged):
        pairs.append((name, bool(_is_folder(staged, name)), _is_folder(target, name)))
    return pairs


def _is_folder(folder: int, name: str) -> bool | None:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None
