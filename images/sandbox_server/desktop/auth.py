"""The doorkeeper of the desktop: websockify's process asks it about every viewer.

Runs inside websockify, so it imports nothing of the box server.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from websockify.auth_plugins import AuthenticationError


class BearerAuth:
    """Lets in who shows the door's secret as `Authorization: Bearer <secret>`."""

    def __init__(self, src: str) -> None:
        """Take the path of the file with the secret; websockify names it `src`."""
        self._secret_file = Path(src)

    def authenticate(self, headers: Mapping[str, str], target_host: str, target_port: str) -> None:
        """Return for the right secret.

        Raises:
            AuthenticationError: for every other; websockify answers 401.
        """
        scheme, _, shown = (headers.get("Authorization") or "").partition(" ")
        secret = self._secret_file.read_text().strip()
        same = hmac.compare_digest(shown.strip().encode("utf-8", "replace"), secret.encode())
        if scheme.lower() != "bearer" or not secret or not same:
            raise AuthenticationError(
                response_code=401,
                response_headers={"WWW-Authenticate": "Bearer"},
                response_msg="the desktop asks for the secret of its door",
            )
