"""Where a manager is, which key opens it, and how long a call may take.

An `Origin` is found once, when a sandbox or a service starts. Not here: the manager's own settings, and the manager
that runs inside this process (`embedded`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized
from agentscope_runtime.sandbox.places import KEY_FILE, default_state_dir, is_loopback

DEFAULT_TIMEOUT = 60.0
"""Seconds that a call may take where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One manager, as a client sees it."""

    base_url: str
    """With scheme and port, and the path where a proxy adds one; no slash at the end."""
    key: str | None = field(default=None, repr=False)
    key_from: str = "no key"
    """Where the key comes from, in words, for the message when it is refused."""
    loopback: bool = False
    """Whether it is on this machine: then no proxy is between, whatever the environment says."""
    in_process: bool = False
    """Whether it runs in this very process."""
    others: tuple[Origin, ...] = ()
    """Further managers that share its pool: any of them serves any call."""

    @property
    def all(self) -> tuple[Origin, ...]:
        """All managers that serve the same sandboxes, in the order in which they were named."""
        return (self, *self.others)

    @property
    def places(self) -> str:
        """Their addresses, for messages."""
        return " or ".join(each.base_url for each in self.all)


def find_origin(base_url: str, bearer_token: str | None = None) -> Origin:
    """Check a manager's address and find the key for it.

    Several addresses, `http://a:8000,http://b:8000`, are managers that share a pool: calls go to the first that
    answers.

    The key is `bearer_token`; else, for an address of this machine only, the variable `BEARER_TOKEN`, else the file
    in which a manager that was given no key keeps its own. No key of this machine is ever sent to another one.
    """
    first, *others = (_origin(part.strip(), bearer_token) for part in base_url.split(","))
    return replace(first, others=tuple(others))


def _origin(base_url: str, bearer_token: str | None) -> Origin:
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest(f"base_url {base_url!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise InvalidRequest(f"base_url {base_url!r} is not the address of a manager, such as 'http://127.0.0.1:8000'")
    loopback = is_loopback(host)
    key, key_from = (bearer_token, "the bearer_token argument") if bearer_token else _own_key(loopback)
    key = key.strip() if key else None
    if key and not (key.isascii() and key.isprintable()):
        raise InvalidRequest(f"{key_from} has characters that no HTTP header can carry")
    return Origin(base_url.rstrip("/"), key, key_from, loopback)


def default_timeout() -> float:
    """Return the seconds that a call may take where nothing else is said: `RUNTIME_SANDBOX_TIMEOUT`, else 60."""
    text = os.environ.get("RUNTIME_SANDBOX_TIMEOUT") or str(DEFAULT_TIMEOUT)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise InvalidRequest(f"RUNTIME_SANDBOX_TIMEOUT is {text!r}; it must be seconds, more than 0 and at most 3600")
    return seconds


def _own_key(loopback: bool) -> tuple[str | None, str]:
    if not loopback:
        return None, "no key: pass bearer_token=…"
    if key := os.environ.get("BEARER_TOKEN"):
        return key, "the variable BEARER_TOKEN"
    path = default_state_dir() / KEY_FILE
    try:
        with path.open(encoding="ascii") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                raise NotAuthorized(f"others can read the key in {path}: remove it and restart the manager")
            return file.read(), f"the key in {path}"
    except FileNotFoundError:
        return None, f"no key: there is none in {path}, so pass bearer_token=…"
    except PermissionError as error:
        raise NotAuthorized(f"the key in {path} belongs to another user: pass bearer_token=…") from error
