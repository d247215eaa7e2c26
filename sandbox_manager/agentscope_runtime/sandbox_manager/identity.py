"""Who the managers of one installation are together: its id, and the secret from which they all derive the same keys.

Nothing that is derived has to be stored or sent: each manager that knows the secret knows the token of each box, and
tells what another of them has signed. So a box can be talked to by a manager that never heard of it before, after all
records were lost. Not here: where id and secret are kept (`keys`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

SHORTEST_SECRET = 16
"""Characters; what `INSTALLATION_SECRET` has to have at least."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One installation."""

    installation: str
    """Labels everything that its managers make on a container engine."""
    secret: bytes = field(repr=False)

    @classmethod
    def passing(cls) -> Identity:
        """Return one that nobody else has, and that ends with this process."""
        return cls("", secrets.token_bytes(32))

    def box_token(self, sandbox_id: str) -> str:
        """Return what the box of this name wants to see; 256 bits, fit for a header."""
        return _text(self._mac("box", sandbox_id.encode()))

    def derived(self, purpose: str) -> str:
        """Return a key for one purpose, from which neither the secret nor another key can be found."""
        return _text(self._mac("key", purpose.encode()))

    def sign(self, purpose: str, statement: bytes) -> str:
        """Return the proof that a manager of this installation stated this, for this purpose."""
        return self._mac(f"signed {purpose}", statement).hex()

    def has_signed(self, purpose: str, statement: bytes, signature: str) -> bool:
        """Tell whether a manager of this installation stated this, for this purpose."""
        return hmac.compare_digest(self.sign(purpose, statement).encode(), signature.encode(errors="surrogateescape"))

    def _mac(self, what: str, data: bytes) -> bytes:
        return hmac.digest(self.secret, what.encode() + b"\0" + data, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
