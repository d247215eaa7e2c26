"""Where the manager is, and which key goes to whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized
from agentscope_runtime.sandbox.settings import default_timeout, find_origin


def keep_key(folder: Path, mode: int = 0o600) -> None:
    """Put a key where a manager would."""
    folder.mkdir(exist_ok=True)
    (folder / "key").write_text("from-file\n")
    (folder / "key").chmod(mode)


def test_an_own_key_goes_to_this_machine(nobodys_settings: Path) -> None:
    """The manager's file opens a manager on loopback."""
    keep_key(nobodys_settings)
    origin = find_origin("http://127.0.0.1:8000/")
    assert (origin.base_url, origin.key, origin.loopback) == ("http://127.0.0.1:8000", "from-file", True)
    assert "from-file" not in repr(origin)


def test_an_own_key_never_leaves_this_machine(nobodys_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the file nor the variable is sent anywhere else."""
    keep_key(nobodys_settings)
    monkeypatch.setenv("BEARER_TOKEN", "from-variable")
    origin = find_origin("http://127.0.0.1.example.com:8000")
    assert (origin.key, origin.loopback) == (None, False)


def test_an_argument_wins_over_the_variable_and_that_over_the_file(
    nobodys_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is the manager's own: what is configured, then the file."""
    keep_key(nobodys_settings)
    monkeypatch.setenv("BEARER_TOKEN", "from-variable")
    assert find_origin("http://localhost:8000").key == "from-variable"
    assert find_origin("http://localhost:8000", " from-argument\n").key == "from-argument"


def test_no_key_is_said_with_the_place(nobodys_settings: Path) -> None:
    """Where no key was found, the reason is kept for the message of the refusal."""
    origin = find_origin("http://[::1]:8000")
    assert origin.key is None
    assert str(nobodys_settings / "key") in origin.key_from


def test_a_key_that_others_can_read_is_refused(nobodys_settings: Path) -> None:
    """A key file that is not private is not trusted."""
    keep_key(nobodys_settings, 0o644)
    with pytest.raises(NotAuthorized, match="others can read"):
        find_origin("http://127.0.0.1:8000")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:8000",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://x/?a=b",
        "http://u:p@x",
        "http://[1",
        "http://x#y",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """A wrong base_url is shown, with an example of a right one."""
    with pytest.raises(InvalidRequest, match="base_url"):
        find_origin(address)


def test_a_key_that_no_header_carries_is_refused() -> None:
    """A line break in a key is an error, not a header injection."""
    with pytest.raises(InvalidRequest, match="bearer_token argument has characters"):
        find_origin("http://x:1", "a\r\nX-Evil: 1")


@pytest.mark.parametrize("value", ["soon", "0", "-1", "3601", "nan"])
def test_a_wrong_timeout_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """RUNTIME_SANDBOX_TIMEOUT is seconds, or an error that says so."""
    monkeypatch.setenv("RUNTIME_SANDBOX_TIMEOUT", value)
    with pytest.raises(InvalidRequest, match="RUNTIME_SANDBOX_TIMEOUT"):
        default_timeout()


def test_a_timeout_by_default_is_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting it is 60 s, with one it is that."""
    assert default_timeout() == 60
    monkeypatch.setenv("RUNTIME_SANDBOX_TIMEOUT", "2.5")
    assert default_timeout() == 2.5
