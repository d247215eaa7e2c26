"""How a manager proves that it lives: it holds a lock on a file for as long as its process does.

The operating system drops the lock with the process, whatever ended it, so a free lock is a proof of death; there is
no time-out to choose and no clock to trust. It works between the managers of one machine, which share that folder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "managers"


class Liveness:
    """The locks of one installation."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER

    @contextmanager
    def alive(self, manager: str) -> Iterator[None]:
        """Prove that `manager` lives while the context is open. Names are never used twice."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(manager)
        descriptor = _locked(path)
        try:
            yield
        finally:
            # Removed while it is locked: nobody can take it for that of a dead manager in between.
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def is_dead(self, manager: str) -> bool:
        """Tell whether `manager` is proved to be gone: nobody holds its lock, or the lock is gone, too."""
        try:
            descriptor = os.open(self._path(manager), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask must not deceive each other
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def forget(self, manager: str) -> None:
        """Remove the lock file of a manager, if it is dead; for one that left nothing on the engine."""
        with suppress(FileNotFoundError, BlockingIOError):
            descriptor = os.open(self._path(manager), os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._path(manager).unlink(missing_ok=True)
            finally:
                os.close(descriptor)

    def known(self) -> list[str]:
        """Return the managers that have a lock file, dead or alive."""
        with suppress(FileNotFoundError):
            return [path.stem for path in self._folder.glob("*.lock")]
        return []

    def _path(self, manager: str) -> Path:
        if "/" in manager or manager.startswith("."):
            raise ValueError(f"{manager!r} is not the name of a manager")
        return self._folder / f"{manager}.lock"


def _locked(path: Path) -> int:
    """Make and lock the file; return its descriptor."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Between open and lock, `forget` of another manager may have removed it: then the name is free, or another's.
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)
