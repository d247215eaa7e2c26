"""The key and the installation's id: made once, private, the same for everybody who asks."""

from __future__ import annotations

import multiprocessing
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from agentscope_runtime.sandbox_manager.keys import installation_id, load_key, matches
from agentscope_runtime.sandbox_manager.settings import Settings, SettingsError


def settings(state_dir: Path, **values: object) -> Settings:
    """Return settings without a configured key."""
    return Settings(**{"state_dir": state_dir, "bearer_token": None, **values})  # type: ignore[arg-type]


def test_the_configured_key_counts(tmp_path: Path) -> None:
    """Nothing is written when there is a key already."""
    assert load_key(settings(tmp_path, bearer_token=SecretStr("mine"))) == "mine"
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    """The next start uses the same; nobody else can read it."""
    folder = tmp_path / "state"
    key = load_key(settings(folder))
    assert load_key(settings(folder)) == key
    assert len(key) >= 43, "256 bits"
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["key"], "no draft stays behind"


def test_an_open_address_needs_a_key(tmp_path: Path) -> None:
    """A made-up key is for this machine: others would not know it, and nobody would know that they should."""
    with pytest.raises(SettingsError, match=r"HOST=0\.0\.0\.0 .* set BEARER_TOKEN"):
        load_key(settings(tmp_path, host="0.0.0.0"))
    assert load_key(settings(tmp_path, host="0.0.0.0", bearer_token=SecretStr("mine"))) == "mine"


def test_two_installations_differ(tmp_path: Path) -> None:
    """The id is what tells their containers apart."""
    one, two = installation_id(tmp_path / "1"), installation_id(tmp_path / "2")
    assert one != two
    assert installation_id(tmp_path / "1") == one


def test_a_race_of_processes_has_one_winner(tmp_path: Path) -> None:
    """Two managers that start at once agree on one key, and neither sees half of it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        ids = list(pool.map(installation_id, [tmp_path / str(turn) for turn in range(25) for _ in range(4)]))
    for turn in range(25):
        assert len(set(ids[turn * 4 : turn * 4 + 4])) == 1


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_key_that_others_can_read_is_no_key(tmp_path: Path) -> None:
    """It is refused with the cure."""
    (tmp_path / "key").write_text("known\n")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_key(settings(tmp_path))


def test_an_empty_key_is_no_key(tmp_path: Path) -> None:
    """An empty Bearer token must not open anything."""
    (tmp_path / "key").touch(mode=0o600)
    with pytest.raises(SettingsError, match="is empty"):
        load_key(settings(tmp_path))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message says which one, and how to choose another."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="AGENTSCOPE_RUNTIME_STATE_DIR"):
        load_key(settings(tmp_path / "file" / "state"))


@pytest.mark.parametrize(
    ("given", "expected", "same"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("", "a", False),
        ("a", "aa", False),
        ("ä", "ä", True),
        ("\udcff", "a", False),
    ],
)
def test_comparing(given: str, expected: str, same: bool) -> None:
    """Anything that a header can carry can be compared."""
    assert matches(given, expected) is same
