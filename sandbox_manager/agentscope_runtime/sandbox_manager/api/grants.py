"""Short-lived secrets that let a person's browser in: single-use tickets for links, and sessions for cookies.

Kept in memory as hashes: who could read this process's memory dump, or a log of it, could still open nothing. All of
them end with the manager. Not here: the key of the manager (`keys`), and HTTP (`auth`).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Clock = Callable[[], float]

SIGN_IN_SECONDS = 600.0
"""Life of a sign-in link: it is printed at start, and somebody has to find it in the terminal."""
LINK_SECONDS = 60.0
"""Life of an unopened link to a desktop, a terminal, …: it is made when somebody asks for it."""
OPENING_SECONDS = 30.0
"""From the exchange of a link's ticket to its WebSocket: the page does both at once."""
SESSION_SECONDS = 12 * 3600.0
"""Life of a sign-in: a working day."""
MOST = 10_000
"""Tickets or sessions at a time; the oldest give way, so that nobody fills the memory."""

Purpose = Literal["desktop", "terminal", "cdp", "port", "preview"]
"""What a secret is for; one that was issued for a desktop opens no terminal. Ports have two: links that open once, and
addresses that work as long as the lease."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a secret opens: the whole manager, or one thing of one sandbox."""

    sandbox_id: str | None = None
    """None: everything that the key opens."""
    control: bool = False
    """Of a desktop: whether mouse and keyboard work."""
    generation: int = 0
    """The lease that it was granted for; a later lease's sandbox is somebody else's."""
    detail: str = ""
    """Which thing of the sandbox: a terminal's id, a port, a path."""


OWNER = Grant()


class Grants:
    """Secrets of one purpose, with what they open."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[bytes, tuple[float, Grant]] = {}

    def issue(self, grant: Grant, seconds: float) -> str:
        """Return a new secret that opens `grant` for so many seconds."""
        self._expire()
        secret = secrets.token_urlsafe(32)
        self._held[_hash(secret)] = (self._clock() + seconds, grant)
        return secret

    def look(self, secret: str) -> Grant | None:
        """Return what the secret opens; None if it is unknown, used or too old."""
        held = self._held.get(_hash(secret))
        return held[1] if held is not None and held[0] > self._clock() else None

    def use_up(self, secret: str) -> Grant | None:
        """Return what the secret opens, for the last time."""
        grant = self.look(secret)
        self._held.pop(_hash(secret), None)
        return grant

    def _expire(self) -> None:
        now = self._clock()
        for digest in [digest for digest, (until, _) in self._held.items() if until <= now]:
            del self._held[digest]
        while len(self._held) >= MOST:
            del self._held[next(iter(self._held))]


class Tickets:
    """Secrets of all purposes, kept apart."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._by_purpose = {purpose: Grants(clock) for purpose in get_args(Purpose)}

    def issue(self, purpose: Purpose, grant: Grant, seconds: float) -> str:
        """Return a new secret that opens `grant` for so many seconds."""
        return self._by_purpose[purpose].issue(grant, seconds)

    def look(self, purpose: Purpose, secret: str) -> Grant | None:
        """Return what the secret opens for this purpose; None if it is unknown, used or too old."""
        return self._by_purpose[purpose].look(secret)

    def use_up(self, purpose: Purpose, secret: str) -> Grant | None:
        """Return what the secret opens for this purpose, for the last time."""
        return self._by_purpose[purpose].use_up(secret)


def _hash(secret: str) -> bytes:
    # Looking up a hash leaks nothing through its timing: who guesses does not control the bytes that are compared.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
