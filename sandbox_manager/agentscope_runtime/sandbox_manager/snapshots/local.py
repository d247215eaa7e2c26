"""Snapshots as files of this user: private, whole at every moment, shared by all managers that share the folder."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from agentscope_runtime.sandbox.errors import InternalError, Unavailable
from agentscope_runtime.sandbox_manager.snapshots import (
    PIECE,
    STALE_AFTER,
    SUFFIX,
    Bounds,
    SnapshotKey,
    Summary,
    place_of,
)
from agentscope_runtime.sandbox_manager.uninterrupted import uninterrupted

DRAFT = ".part"


class LocalSnapshots:
    """The snapshots in one folder, of each user in a folder of their own."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        """Keep them in this folder, which is made when there is something to keep."""
        self._folder = folder
        self._bounds = bounds

    async def keep(self, key: SnapshotKey, stream: AsyncIterator[bytes]) -> Summary:
        """See `Storage.keep`."""
        self._bounds.check(key, await self.of(key.user_id), 0)
        draft = _Draft(self._place(key.user_id), key)
        try:
            await uninterrupted(asyncio.to_thread(draft.begin))
            async for piece in self._bounds.measured(key, stream):
                await asyncio.to_thread(draft.write, piece)
            return await uninterrupted(asyncio.to_thread(self._publish, key, draft))
        finally:
            await uninterrupted(asyncio.to_thread(draft.drop))

    @asynccontextmanager
    async def opened(self, key: SnapshotKey) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `Storage.opened`."""
        file = await asyncio.to_thread(self._open, key)
        try:
            yield _pieces(key, file)
        finally:
            await uninterrupted(asyncio.to_thread(file.close))

    async def of(self, user_id: str) -> list[Summary]:
        """See `Storage.of`."""
        return await asyncio.to_thread(self._list, user_id)

    async def forget(self, key: SnapshotKey) -> None:
        """See `Storage.forget`."""
        await asyncio.to_thread(self._forget, key)

    async def tidy(self) -> None:
        """See `Storage.tidy`."""
        await asyncio.to_thread(self._tidy)

    async def aclose(self) -> None:
        """See `Storage.aclose`; nothing is held open here."""

    def _place(self, user_id: str) -> Path:
        return self._folder / place_of(user_id)

    def _file(self, key: SnapshotKey) -> Path:
        return self._place(key.user_id) / f"{key.name}{SUFFIX}"

    def _publish(self, key: SnapshotKey, draft: _Draft) -> Summary:
        with _failures(key):
            size = draft.complete()
            with _locked(self._place(key.user_id)):
                self._bounds.check(key, self._list(key.user_id), size)
                draft.path.replace(self._file(key))
                _make_lasting(self._place(key.user_id))
                return _summary(self._file(key))

    def _open(self, key: SnapshotKey) -> BinaryIO:
        with _failures(key):
            try:
                return self._file(key).open("rb", buffering=0)
            except FileNotFoundError as e:
                raise key.missing() from e

    def _list(self, user_id: str) -> list[Summary]:
        found = []
        with _failures(f"the snapshots of user {user_id!r}"):
            for path in self._place(user_id).glob(f"*{SUFFIX}"):
                with suppress(FileNotFoundError):  # it went while we looked
                    found.append(_summary(path))
        return sorted(found, key=lambda summary: summary.name)

    def _forget(self, key: SnapshotKey) -> None:
        with _failures(key):
            self._file(key).unlink(missing_ok=True)

    def _tidy(self) -> None:
        with _failures("what was left in the folder of the snapshots"):
            for path in self._folder.glob(f"*/.*{DRAFT}"):
                with suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > STALE_AFTER:
                        path.unlink()


class _Draft:
    """A snapshot that is being written; every method blocks."""

    def __init__(self, folder: Path, key: SnapshotKey) -> None:
        self.path = folder / f".{key.name}.{secrets.token_hex(6)}{DRAFT}"
        self._key = key
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        with _failures(self._key):
            for folder in (self.path.parent.parent, self.path.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            # Buffered, and so locked: dropped in the midst of a write, it is closed after that.
            self._file = os.fdopen(os.open(self.path, flags, 0o600), "wb", buffering=PIECE)

    def write(self, piece: bytes) -> None:
        assert self._file is not None
        with _failures(self._key):
            self._file.write(piece)

    def complete(self) -> int:
        """Have the disk hold all of it; return its size."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def drop(self) -> None:
        """Close it, and remove it if it was not published."""
        if self._file is not None:
            with suppress(OSError):  # the rest of what could not be written before
                self._file.close()
            self.path.unlink(missing_ok=True)


async def _pieces(key: SnapshotKey, file: BinaryIO) -> AsyncIterator[bytes]:
    with _failures(key):
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


def _summary(path: Path) -> Summary:
    info = path.stat()
    return Summary(path.name.removesuffix(SUFFIX), info.st_size, info.st_mtime)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep every other manager from adding to the same user's meanwhile: each counts what the others have kept."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_lasting(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _failures(what: object) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(f"{what} was not kept: the disk of the manager is full") from e
        raise InternalError(f"{what} cannot be read or written: {e.strerror}") from e
