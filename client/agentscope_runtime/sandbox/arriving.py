"""What comes from a sandbox takes its place on this machine once it is complete; until then nothing of it is there.

Everything here blocks.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from agentscope_runtime.sandbox.errors import FileError
from agentscope_runtime.sandbox.trees import Unpacking
from agentscope_runtime.sandbox.types import OutsideLinks


class ArrivingFile:
    """A file that is written beside its place."""

    def __init__(self, place: Path) -> None:
        """Open it; `keep` or `drop` ends it.

        Raises:
            FileError: nothing can be written there.
        """
        with _told(place):
            self._place = place
            self._path = _beside(place)
            self._file: IO[bytes] = self._path.open("xb")

    def feed(self, chunk: bytes) -> None:
        """Write the next chunk."""
        with _told(self._place):
            self._file.write(chunk)

    def keep(self) -> None:
        """Put it in its place, complete; what is there is replaced."""
        with _told(self._place):
            self._file.close()
            self._path.replace(self._place)

    def drop(self) -> None:
        """Leave nothing."""
        with contextlib.suppress(OSError):  # a full disk, which was told already
            self._file.close()
        self._path.unlink(missing_ok=True)


class ArrivingFolder:
    """A folder that is unpacked beside its place."""

    def __init__(self, place: Path, outside_links: OutsideLinks) -> None:
        """Begin; `keep` or `drop` ends it.

        Raises:
            FileError: nothing can be written there.
        """
        with _told(place):
            if place.exists() and not place.is_dir():
                raise FileError(f"{str(place)!r} is there, and no folder")
            self._place = place
            self._path = _beside(place)
            self._path.mkdir()
        try:
            self._unpacking = Unpacking(self._path, outside_links)
        except BaseException:
            self._path.rmdir()
            raise

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk of the tar stream."""
        self._unpacking.feed(chunk)

    def keep(self) -> None:
        """Put all in its place: folders are joined with those that are there, files and links replaced."""
        self._unpacking.finish()
        with _told(self._place):
            if not self._place.exists():
                self._path.replace(self._place)
                return
            _check(self._path, self._place)
            _join(self._path, self._place)

    def drop(self) -> None:
        """Leave nothing."""
        self._unpacking.drop()
        shutil.rmtree(self._path, ignore_errors=True)


def _beside(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    return place.with_name(f".{place.name[:100]}.{secrets.token_hex(6)}.part")


def _check(arrived: Path, there: Path) -> None:
    for path in arrived.iterdir():
        other = there / path.name
        if not os.path.lexists(other):
            continue
        is_folder, other_is_folder = _is_folder(path), _is_folder(other)
        if is_folder != other_is_folder:
            what, instead = ("a folder", "none") if is_folder else ("no folder", "one")
            raise FileError(f"{str(other)!r} is {what} in the sandbox, and {instead} here: remove it first")
        if is_folder:
            _check(path, other)


def _join(arrived: Path, there: Path) -> None:
    for path in arrived.iterdir():
        other = there / path.name
        if _is_folder(path) and os.path.lexists(other):
            _join(path, other)
        else:
            path.replace(other)
    arrived.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


@contextlib.contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(f"could not write {str(place)!r}: {error.strerror or error}") from error
