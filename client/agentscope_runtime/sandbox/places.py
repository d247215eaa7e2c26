"""What client and manager have to agree on without talking: where a key lies, and which hosts are this machine.

A manager that is given no key keeps its own in a file of its user; a client of the same user on the same machine finds
it there. Not here: reading or making the file (`settings`, and the manager's `keys`).
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Final

KEY_FILE: Final = "key"
"""Name of the manager's key in its state folder."""

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine by which a manager on it is usually called."""


def default_state_dir() -> Path:
    """Return the folder of this user's key, installation id and locks."""
    if own := os.environ.get("AGENTSCOPE_RUNTIME_STATE_DIR"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification says that relative values are to be ignored.
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "agentscope-runtime"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host name or address; one of IPv6 may stand in brackets."""
    name = host.strip("[]").lower()
    if name in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
