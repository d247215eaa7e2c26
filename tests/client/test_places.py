"""Where a key lies, and which hosts are this machine: said once, for client and manager."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from agentscope_runtime.sandbox.places import KEY_FILE, default_state_dir, is_loopback
from agentscope_runtime.sandbox.settings import find_origin
from agentscope_runtime.sandbox_manager.keys import load_key
from agentscope_runtime.sandbox_manager.settings import Settings


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"AGENTSCOPE_RUNTIME_STATE_DIR": "/own"}, "/own"),
        ({"AGENTSCOPE_RUNTIME_STATE_DIR": "~/own"}, "/home/me/own"),
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/agentscope-runtime"),
        ({"XDG_STATE_HOME": "not/absolute"}, "/home/me/.local/state/agentscope-runtime"),
        ({}, "/home/me/.local/state/agentscope-runtime"),
    ],
)
def test_state_has_one_place(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: str) -> None:
    """The variables that name it, in their order, and where it is without any; the manager's settings agree."""
    for name in ("AGENTSCOPE_RUNTIME_STATE_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, value)
    assert default_state_dir() == Settings().state_dir == Path(folder)


def test_the_client_finds_the_key_that_the_manager_made(nobodys_settings: Path) -> None:
    """Folder and file name are the same on both sides."""
    key = load_key(Settings())
    assert (nobodys_settings / KEY_FILE).is_file()
    assert find_origin("http://127.0.0.1:8000").key == key
    assert load_key(Settings(bearer_token=SecretStr("configured"))) == "configured"


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_loopback(host: str) -> None:
    """These reach this machine only."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.org", "localhost.example.org"])
def test_not_loopback(host: str) -> None:
    """These may be reached by others, as far as anybody can tell."""
    assert not is_loopback(host)
