"""Short-lived secrets that let a person's browser in: single-use tickets for links, and sessions for cookies.

Kept as hashes: who could read a dump of where they are kept, or a log of it, could still open nothing. A manager that
is alone keeps them in its memory, and all of them end with it. Managers that share a pool share these, too, so that a
link that one of them made opens on another. Not here: the key of the manager (`keys`), and HTTP (`auth`).
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

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


class Vault(Protocol):
    """Secrets of several kinds, kept apart."""

    async def issue(self, kind: str, grant: Grant, seconds: float) -> str:
        """Return a new secret that opens `grant` for so many seconds."""

    async def look(self, kind: str, secret: str) -> Grant | None:
        """Return what a secret of this kind opens; None if it is unknown, used or too old."""

    async def use_up(self, kind: str, secret: str) -> Grant | None:
        """Return what a secret of this kind opens, for the last time: of several who ask, one is told."""


class LocalVault:
    """The secrets of a manager that is alone."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._by_kind: defaultdict[str, Grants] = defaultdict(lambda: Grants(clock))

    async def issue(self, kind: str, grant: Grant, seconds: float) -> str:
        """See `Vault.issue`."""
        return self._by_kind[kind].issue(grant, seconds)

    async def look(self, kind: str, secret: str) -> Grant | None:
        """See `Vault.look`."""
        return self._by_kind[kind].look(secret)

    async def use_up(self, kind: str, secret: str) -> Grant | None:
        """See `Vault.use_up`."""
        return self._by_kind[kind].use_up(secret)


class Shelf(Protocol):
    """A place that several managers share, and that forgets by itself."""

    async def put(self, name: str, text: str, seconds: float) -> None:
        """Keep a text for so long."""

    async def get(self, name: str) -> str | None:
        """Return it; None if there is none (any more)."""

    async def take(self, name: str) -> str | None:
        """Return it and forget it, in one step."""


class SharedVault:
    """The secrets of managers that share a pool."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def issue(self, kind: str, grant: Grant, seconds: float) -> str:
        """See `Vault.issue`."""
        secret = secrets.token_urlsafe(32)
        await self._shelf.put(_name(kind, secret), json.dumps(asdict(grant)), seconds)
        return secret

    async def look(self, kind: str, secret: str) -> Grant | None:
        """See `Vault.look`."""
        return _grant(await self._shelf.get(_name(kind, secret)))

    async def use_up(self, kind: str, secret: str) -> Grant | None:
        """See `Vault.use_up`."""
        return _grant(await self._shelf.take(_name(kind, secret)))


def _name(kind: str, secret: str) -> str:
    return f"{kind}:{_hash(secret).hex()}"


def _grant(text: str | None) -> Grant | None:
    return None if text is None else Grant(**json.loads(text))


def _hash(secret: str) -> bytes:
    # Looking up a hash leaks nothing through its timing: who guesses does not control the bytes that are compared.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
