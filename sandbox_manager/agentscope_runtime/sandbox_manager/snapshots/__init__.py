"""Where snapshots of workspaces are kept: streams of bytes under names that each user has for themselves.

What is in a stream is the boxes' business: nobody here unpacks one, or follows a link in it. Not here: how a workspace
gets into one and out of it (`snapshot_keeper`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InvalidRequest, SnapshotNotFound, SnapshotRefused

SUFFIX = ".tar"
PIECE = 1 << 20
"""Bytes that are read at a time."""
STALE_AFTER = 3600.0
"""Seconds after which what was begun and not written to is a dead manager's."""


@dataclass(frozen=True, slots=True, order=True)
class SnapshotKey:
    """Whose snapshot, and which one."""

    user_id: str
    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(wire.SNAPSHOT_NAME.strip("^$"), self.name):  # it becomes the name of a file
            raise InvalidRequest(f"{self.name!r} cannot name a snapshot")

    def __str__(self) -> str:
        return f"snapshot {self.name!r} of user {self.user_id!r}"

    def missing(self) -> SnapshotNotFound:
        """Return the error for whoever asks for what is not there."""
        return SnapshotNotFound(f"there is no {self}")


@dataclass(frozen=True, slots=True)
class Summary:
    """What can be said of a snapshot without looking into it."""

    name: str
    size: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much there may be; 0 is no bound."""

    size: int = 0
    """Bytes of one snapshot."""
    total: int = 0
    """Bytes of all snapshots of one user."""
    count: int = 0
    """Snapshots of one user."""

    def check(self, key: SnapshotKey, kept: Sequence[Summary], size: int) -> None:
        """Raise if this user's snapshots leave no room for one of this size, which replaces one of its name.

        Raises:
            SnapshotRefused: They do not.
        """
        others = [each for each in kept if each.name != key.name]
        if 0 < self.count <= len(others):
            raise SnapshotRefused(
                f"{key} was not kept: {len(others)} snapshots are all that a user may have (SNAPSHOTS_PER_USER); "
                "delete one"
            )
        total = sum(each.size for each in others)
        if 0 < self.total < total + max(size, 1):
            raise SnapshotRefused(
                f"{key} was not kept: with it, the user's snapshots would have {total + size} bytes; {self.total} are "
                "the most (SNAPSHOT_USER_BYTES); delete some"
            )

    async def measured(self, key: SnapshotKey, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass a stream on, for as long as it is not larger than one may be.

        Raises:
            SnapshotRefused: It is.
        """
        size = 0
        async for piece in stream:
            size += len(piece)
            if 0 < self.size < size:
                raise SnapshotRefused(
                    f"{key} was not kept: the workspace has more than {self.size} bytes (SNAPSHOT_MAX_BYTES); holes in "
                    "files count, and each link to a file as a file"
                )
            yield piece


class Storage(Protocol):
    """Keeps streams; what is kept is whole, and stays as it is until it is replaced or deleted."""

    async def keep(self, key: SnapshotKey, stream: AsyncIterator[bytes]) -> Summary:
        """Keep a stream once it has come to its end, instead of what had that name; nothing of one that breaks off.

        Raises:
            SnapshotRefused: It is larger than the bounds allow.
            Unavailable: The storage does not answer.
            InternalError: The storage cannot be written.
        """

    def opened(self, key: SnapshotKey) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open what is kept, for reading; it stays whole although it is replaced or deleted meanwhile.

        Raises:
            SnapshotNotFound: There is none of that name.
            Unavailable, InternalError: As `keep` does; where it happens on the way, from the stream.
        """

    async def of(self, user_id: str) -> list[Summary]:
        """Return the snapshots of a user, by name.

        Raises:
            Unavailable, InternalError: As `keep` does.
        """

    async def forget(self, key: SnapshotKey) -> None:
        """Delete a snapshot; a missing one is fine.

        Raises:
            Unavailable, InternalError: As `keep` does.
        """

    async def tidy(self) -> None:
        """Remove what dead managers began to keep and did not finish.

        Raises:
            Unavailable, InternalError: As `keep` does.
        """

    async def aclose(self) -> None:
        """Let go of what it holds open."""


def place_of(user_id: str) -> str:
    """Return the name of the folder of a user: users may be called anything, also what no folder can be called."""
    return hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
