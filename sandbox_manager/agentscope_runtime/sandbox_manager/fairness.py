"""A line in which no user stands in another's way: users take turns, and each user's own calls keep their order.

Plain data without I/O and without a clock: `admission` lets callers wait in one, `simulation` replays what that does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shortage:
    """Of what there is too little for a call to go on."""

    what: Literal["total", "memory", "type", "user"]
    """Which of the limits."""
    name: str = ""
    """The kind, or the user, where the limit is one of those."""

    def concerns(self, user: str, kinds: Collection[str]) -> bool:
        """Whether a call of this user for these kinds lacks the same, and so would overtake whoever lacks it."""
        match self.what:
            case "type":
                return self.name in kinds
            case "user":
                return self.name == user
        return True


class LineFull(Exception):
    """There is no place in the line."""


class FairLine(Generic[T]):
    """Who waits, by user."""

    def __init__(self, length: int) -> None:
        """Make an empty line.

        Args:
            length: Most that may stand in it.
        """
        self._length = length
        self._size = 0
        self._users: OrderedDict[str, list[T]] = OrderedDict()  # in the order of their turns

    def __len__(self) -> int:
        return self._size

    def join(self, user: str, one: T) -> T | None:
        """Let one stand behind the others of its user.

        In a full line a user who has fewer places than another gets one of that one's: who loses it is returned.

        Raises:
            LineFull: Nobody has more places than this user would have then.
        """
        left = None
        if self._size >= self._length:
            most = max(self._users, key=lambda each: len(self._users[each]), default=user)
            mine = len(self._users.get(user, ()))
            if most == user or len(self._users[most]) <= mine + 1:
                raise LineFull
            left = self._users[most][-1]
            self.leave(most, left)
        self._users.setdefault(user, []).append(one)
        self._size += 1
        return left

    def leave(self, user: str, one: T, *, served: bool = False) -> None:
        """Take one out of the line, wherever it stands; fine if it does not.

        Args:
            user: Whose it is.
            one: Who leaves.
            served: Whether it was its turn: then it is the other users' turn before the next of this one.
        """
        mine = self._users.get(user, [])
        if one not in mine:
            return
        mine.remove(one)
        self._size -= 1
        if not mine:
            del self._users[user]
        elif served:
            self._users.move_to_end(user)

    def in_turn(self) -> Iterator[T]:
        """Go through the line in the order in which it would be served; stop before changing it."""
        queues = tuple(self._users.values())
        for place in range(max(map(len, queues), default=0)):
            for queue in queues:
                if place < len(queue):
                    yield queue[place]

    def by_user(self) -> dict[str, int]:
        """Return how many places each user has."""
        return {user: len(mine) for user, mine in self._users.items()}
