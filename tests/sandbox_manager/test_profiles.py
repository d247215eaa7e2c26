"""Profiles as files: private, whole, and shared by several processes without loss."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agentscope_runtime.sandbox.errors import InternalError
from agentscope_runtime.sandbox_manager import profiles as module
from agentscope_runtime.sandbox_manager.profiles import ProfileKey, Profiles
from agentscope_runtime.sandbox_manager.storage_state import Entries

KEY = ProfileKey("Ann/../ ü\n", "work")


def item(name: str, value: str = "1") -> Entries:
    """Make one item of local storage."""
    return {("item", "https://example.com", name): value}


def test_what_is_saved_is_loaded_by_the_same_user_only(tmp_path: Path) -> None:
    """Whatever they are called; other names and users have nothing."""
    kept = Profiles(tmp_path)
    assert kept.load(KEY) == {}
    kept.save(KEY, {}, item("a"))
    assert Profiles(tmp_path).load(KEY) == item("a")
    assert kept.load(ProfileKey(KEY.user_id, "home")) == kept.load(ProfileKey("Bob", "work")) == {}


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    """Neither the files nor the folders, and names of users are not on the disk's surface."""
    Profiles(tmp_path / "profiles").save(KEY, {}, item("a"))
    found = list((tmp_path / "profiles").rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} <= {0o600, 0o700}
    assert not [path for path in found if path.is_file() and stat.S_IMODE(path.stat().st_mode) != 0o600]
    assert not [path for path in found if "Ann" in path.name or "work" in path.name]


def test_expired_cookies_are_not_kept(tmp_path: Path) -> None:
    """By the clock of the manager."""
    now = [100.0]
    kept = Profiles(tmp_path, lambda: now[0])
    cookie = {"name": "a", "value": "1", "domain": "x.example", "path": "/", "expires": 200}
    found: Entries = {("cookie", "x.example", "/", "a", "null"): cookie}
    kept.save(KEY, {}, found)
    assert kept.load(KEY) == found
    now[0] = 200.0
    assert kept.load(KEY) == {}


def test_users_see_their_own_and_can_have_them_forgotten(tmp_path: Path) -> None:
    """With what they hold counted, not shown."""
    kept = Profiles(tmp_path, lambda: 7.0)
    for name in ("work", "home"):
        kept.save(ProfileKey("Ann", name), {}, item("a"))
    assert [(each.name, each.saved_at, each.cookies, each.origins) for each in kept.of("Ann")] == [
        ("home", 7.0, 0, 1),
        ("work", 7.0, 0, 1),
    ]
    assert kept.of("Bob") == []
    for _ in range(2):
        kept.forget(ProfileKey("Ann", "home"))
        kept.forget(ProfileKey("Bob", "home"))
    assert [each.name for each in kept.of("Ann")] == ["work"]
    assert kept.load(ProfileKey("Ann", "home")) == {}


def test_a_damaged_file_is_an_error_that_names_the_cure(tmp_path: Path) -> None:
    """It is not overwritten, since somebody may want to look at it."""
    kept = Profiles(tmp_path)
    kept.save(KEY, {}, item("a"))
    (path,) = tmp_path.rglob("*.json")
    for damage in ("{", '{"cookies": 7}', "[]"):
        path.write_text(damage)
        for call in (lambda: kept.load(KEY), lambda: kept.save(KEY, {}, item("b")), lambda: kept.of(KEY.user_id)):
            with pytest.raises(InternalError, match="DELETE /v1/profiles"):
                call()
        assert path.read_text() == damage
    kept.forget(KEY)
    assert kept.load(KEY) == {}


def test_one_that_is_too_large_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page can store megabytes; it must not fill the disk."""
    kept = Profiles(tmp_path)
    kept.save(KEY, {}, item("a"))
    monkeypatch.setattr(module, "SIZE_MAX", 1000)
    with pytest.raises(InternalError, match="more than 1000"):
        kept.save(KEY, item("a"), item("b", "x" * 2000))
    assert kept.load(KEY) == item("a")
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


SAVE_MANY = """
import sys
from pathlib import Path
from agentscope_runtime.sandbox_manager.profiles import ProfileKey, Profiles
kept, key, base = Profiles(Path(sys.argv[1])), ProfileKey("ann", "work"), {}
for number in range(20):
    mine = {**base, ("item", "https://example.com", f"{sys.argv[2]}-{number}"): "1"}
    kept.save(key, base, mine)
    base = mine
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each saves twenty times from a base of its own, as managers of one installation do."""
    command = [sys.executable, "-c", SAVE_MANY, str(tmp_path)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(Profiles(tmp_path).load(ProfileKey("ann", "work"))) == 60
    (path,) = tmp_path.rglob("*.json")
    assert json.loads(path.read_bytes())["name"] == "work"
