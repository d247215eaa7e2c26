"""The manager's key, the installation's id and its secret: small files of this user, made once and kept.

Not here: who may do what with the key (`api.auth`), and what is derived from the secret (`identity`).
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from agentscope_runtime.sandbox.places import KEY_FILE, is_loopback
from agentscope_runtime.sandbox_manager.identity import Identity
from agentscope_runtime.sandbox_manager.settings import Settings, SettingsError

INSTALLATION_FILE = "installation"
SECRET_FILE = "secret"  # noqa: S105 - its name


def load_key(settings: Settings) -> str:
    """Return the key that callers must show: the configured one, else this user's own, made at the first need.

    Raises:
        SettingsError: no key is configured and others than this machine could call, or the key file is not private.
    """
    if settings.bearer_token is not None:
        return settings.bearer_token.get_secret_value()
    if not is_loopback(settings.host):
        raise SettingsError(
            f"HOST={settings.host} can be reached from other machines, and there is no key: "
            "set BEARER_TOKEN, or listen on 127.0.0.1"
        )
    return _read_or_create(settings.state_dir / KEY_FILE, lambda: secrets.token_urlsafe(32))


def installation_id(state_dir: Path) -> str:
    """Return the id that labels everything this user's managers make on a container engine."""
    return _read_or_create(state_dir / INSTALLATION_FILE, lambda: secrets.token_hex(8))


def local_identity(state_dir: Path) -> Identity:
    """Return the installation of all managers that share this folder.

    Raises:
        SettingsError: the folder cannot be used, or others can read the secret.
    """
    secret = _read_or_create(state_dir / SECRET_FILE, lambda: secrets.token_hex(32))
    return Identity(installation_id(state_dir), secret.encode())


def matches(given: str, expected: str) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode("utf-8", "surrogateescape"))


def _read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the text in `path`; the first caller writes it, and all others, of any process, read the same."""
    try:
        with contextlib.suppress(FileNotFoundError):
            return _read_private(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _publish(path, make())
        return _read_private(path)
    except OSError as error:
        raise SettingsError(
            f"cannot read or write {path}: {error.strerror}; set AGENTSCOPE_RUNTIME_STATE_DIR to a folder of your own"
        ) from error


def _publish(path: Path, text: str) -> None:
    """Write `path` at once and whole, unless somebody else was first."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
        # A link refuses an existing name (a rename would replace it), and what it shows is complete.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _read_private(path: Path) -> str:
    with path.open(encoding="ascii") as file:
        status = os.fstat(file.fileno())
        if os.name == "posix" and status.st_mode & 0o077:
            raise SettingsError(f"others can read {path}: remove it (a new one is made) or run `chmod 600 {path}`")
        text = file.read().strip()
    if not text:
        raise SettingsError(f"{path} is empty: remove it, a new one is made at the next start")
    return text
