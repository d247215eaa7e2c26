"""Users' browser profiles as files: private, whole at every moment, and shared by all managers of an installation.

Not here: how changes meet (`storage_state`), and how a profile gets into a box and out of it (`profile_keeper`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentscope_runtime.sandbox.errors import InternalError
from agentscope_runtime.sandbox_manager.storage_state import EMPTY, Entries, NoState, entries, lasting, merged, whole

SIZE_MAX = 16 << 20
"""Bytes of one profile. Sites may store megabytes each; a profile is for logins."""


@dataclass(frozen=True, slots=True, order=True)
class ProfileKey:
    """Whose profile, and which one."""

    user_id: str
    name: str

    def __str__(self) -> str:
        return f"profile {self.name!r} of user {self.user_id!r}"


@dataclass(frozen=True, slots=True)
class Summary:
    """What can be said of a profile without its secrets."""

    name: str
    saved_at: float
    cookies: int
    origins: int


class Profiles:
    """The profiles in one folder; every method blocks for as long as the disk does."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def load(self, key: ProfileKey) -> Entries:
        """Return what is kept, without cookies that have expired; of an unknown profile nothing, which is no error.

        Raises:
            InternalError: The file is damaged, or cannot be read.
        """
        with _failures(key):
            return lasting(entries(self._read(key)), self._clock())

    def save(self, key: ProfileKey, base: Entries, mine: Entries) -> None:
        """Bring in what a browser changed since `base`.

        Raises:
            InternalError: The file is damaged, or cannot be written, or would be too large.
        """
        with _failures(key), self._locked(key):
            kept = entries(self._read(key))
            new = lasting(merged(base, mine, kept), self._clock())
            if new != kept:
                self._write(key, new)

    def of(self, user_id: str) -> list[Summary]:
        """Return the profiles of a user, by name."""
        found = []
        for path in sorted(self._place(user_id).glob("*.json")):
            with _failures(ProfileKey(user_id, path.stem)):
                document = json.loads(path.read_bytes())
                summary = Summary(
                    document["name"], document["saved_at"], len(document["cookies"]), len(document["origins"])
                )
            found.append(summary)
        return sorted(found, key=lambda summary: summary.name)

    def forget(self, key: ProfileKey) -> None:
        """Remove a profile; a missing one is fine. What sessions change afterwards begins a new one."""
        if not self._place(key.user_id).exists():
            return
        with _failures(key), self._locked(key):
            self._file(key).unlink(missing_ok=True)

    def _place(self, user_id: str) -> Path:
        # Users may be called anything, also what no file can be called.
        return self._folder / hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _file(self, key: ProfileKey) -> Path:
        return self._place(key.user_id) / f"{hashlib.sha256(key.name.encode()).hexdigest()[:32]}.json"

    def _read(self, key: ProfileKey) -> Any:
        try:
            return json.loads(self._file(key).read_bytes())
        except FileNotFoundError:
            return EMPTY

    def _write(self, key: ProfileKey, found: Entries) -> None:
        said = {"user_id": key.user_id, "name": key.name, "saved_at": self._clock()}
        content = json.dumps({**said, **whole(found)}).encode()
        if len(content) > SIZE_MAX:
            raise InternalError(f"{key} would have {len(content)} bytes, more than {SIZE_MAX}: it is kept as it was")
        path = self._file(key)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self, key: ProfileKey) -> Iterator[None]:
        """Keep every other manager of this installation, in whatever process, from changing it meanwhile."""
        path = self._file(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def _failures(key: ProfileKey) -> Iterator[None]:
    try:
        yield
    except (NoState, ValueError, KeyError, TypeError) as e:
        raise InternalError(f"the file of {key} is damaged ({e}); forget it with DELETE /v1/profiles") from e
    except OSError as e:
        raise InternalError(f"the file of {key} cannot be read or written: {e.strerror}") from e
