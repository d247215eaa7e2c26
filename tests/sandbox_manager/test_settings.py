"""What the environment means for a manager."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from agentscope_runtime.sandbox_manager.machine import total_memory
from agentscope_runtime.sandbox_manager.settings import Settings, default_state_dir, is_loopback
from agentscope_runtime.sandbox_manager.states import Limits


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the variables of whoever runs the tests away."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("AGENTSCOPE_RUNTIME_STATE_DIR", raising=False)


def test_a_manager_is_private_and_keeps_one_base_sandbox_by_default() -> None:
    """Nobody has to set anything."""
    settings = Settings()
    assert (settings.host, settings.port, settings.bearer_token) == ("127.0.0.1", 8000, None)
    assert settings.pool_targets() == {"base": 1}


@pytest.mark.parametrize(
    ("kinds", "size", "targets"),
    [
        ("base,browser", "2", {"base": 2, "browser": 2}),
        ('["base", "browser"]', "1", {"base": 1, "browser": 1}),
        (" base , browser ", "base=2,browser=1", {"base": 2, "browser": 1}),
        ("base", '{"browser": 3}', {"browser": 3}),
        ("base", "0", {"base": 0}),
        ("base_async", "2", {"base": 2}),
        ("browser_async,browser", "1", {"browser": 1}),
        ("base", "base_async=1,base=2,browser_async=1", {"base": 3, "browser": 1}),
    ],
)
def test_the_pool_is_set_in_words_or_json(
    monkeypatch: pytest.MonkeyPatch, kinds: str, size: str, targets: dict[str, int]
) -> None:
    """Both forms that the documents show are understood; a name that asks for an async class means its kind."""
    monkeypatch.setenv("DEFAULT_SANDBOX_TYPE", kinds)
    monkeypatch.setenv("POOL_SIZE", size)
    assert Settings().pool_targets() == targets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POOL_SIZE", "many"),
        ("POOL_SIZE", "-1"),
        ("POOL_SIZE", "base=2,base_async=-1"),
        ("POOL_SIZE", "base=x"),
        ("PORT", "70000"),
        ("WATCHER_SCAN_INTERVAL", "0"),
        ("CONTAINER_DEPLOYMENT", "abacus"),
        ("BOX_CA_BUNDLE", "/no/such/file"),
        ("DEFAULT_SANDBOX_TYPE", "[base"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A typing error ends the start, instead of meaning something else."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


def test_a_pool_larger_than_the_limit_is_refused() -> None:
    """It could never be filled."""
    with pytest.raises(ValidationError, match="MAX_SANDBOX_INSTANCES allows 2"):
        Settings(pool_size=3, max_sandbox_instances=2)


def test_managers_share_the_redis_of_a_url_or_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`REDIS_URL`, or the variables of other runtimes; without either, a manager is alone."""
    assert Settings().redis_address() is None
    monkeypatch.setenv("REDIS_SERVER", "cache")
    assert Settings().redis_address() is None
    monkeypatch.setenv("REDIS_ENABLED", "true")
    assert Settings().redis_address() == "redis://cache:6379/0"
    for name, value in {"PORT": "1", "DB": "2", "USER": "anna", "PASSWORD": "p@ss"}.items():
        monkeypatch.setenv(f"REDIS_{name}", value)
    assert Settings().redis_address() == "redis://anna:p%40ss@cache:1/2"
    assert Settings(redis_enabled=False, redis_url="unix:///r").redis_address() == "unix:///r"


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ({"REDIS_URL": "http://cache"}, "is no address of a Redis, such as redis://localhost:6379/0"),
        ({"REDIS_URL": "redis://cache", "REDIS_ENABLED": "1"}, "set one of them"),
        ({"INSTALLATION": "here"}, "set REDIS_URL"),
        ({"INSTALLATION_SECRET": "x" * 32}, "set REDIS_URL"),
        ({"REDIS_URL": "redis://cache", "INSTALLATION": "a{b}"}, "should match pattern"),
        ({"REDIS_URL": "redis://cache", "INSTALLATION_SECRET": "short"}, "at least 32"),
    ],
)
def test_a_redis_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], cure: str
) -> None:
    """At the start, with what to change."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=cure):
        Settings()


def test_no_secret_of_redis_is_shown() -> None:
    """An address may hold a password."""
    settings = Settings(redis_url="redis://:swordfish@cache", installation_secret="swordfish" * 4)
    assert settings.redacted()["REDIS_URL"] == settings.redacted()["INSTALLATION_SECRET"] == "set (not shown)"
    assert "swordfish" not in str(settings.redacted()) + repr(settings)


def test_the_key_is_not_shown() -> None:
    """Neither the printed settings nor their repr hold it."""
    settings = Settings(bearer_token="swordfish")
    assert settings.redacted()["BEARER_TOKEN"] == "set (not shown)"
    assert "swordfish" not in str(settings.redacted()) + repr(settings)


def test_printed_settings_name_the_variables() -> None:
    """What is printed can be put into a file and read back."""
    shown = Settings(pool_size={"base": 2}).redacted()
    assert shown["POOL_SIZE"] == "base=2"
    assert shown["ALLOWED_HOSTS"] == "-"
    assert "AGENTSCOPE_RUNTIME_STATE_DIR" in shown


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`BEARER_TOKEN=` in a file is no key that anybody could guess."""
    monkeypatch.setenv("BEARER_TOKEN", "")
    assert Settings().bearer_token is None


def test_settings_do_not_change() -> None:
    """Nothing that runs can be changed behind its back."""
    with pytest.raises(ValidationError):
        setattr(Settings(), "port", 1)  # noqa: B010 - a checker would stop the plain form


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"AGENTSCOPE_RUNTIME_STATE_DIR": "/own"}, "/own"),
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/agentscope-runtime"),
        ({"XDG_STATE_HOME": "not/absolute", "HOME": "/home/me"}, "/home/me/.local/state/agentscope-runtime"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/agentscope-runtime"),
    ],
)
def test_state_has_one_place(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: str) -> None:
    """The client looks in the same place."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_state_dir() == Settings().state_dir == Path(folder)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "LocalHost"])
def test_loopback(host: str) -> None:
    """These reach this machine only."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.4", "example.org", "localhost.example.org"])
def test_not_loopback(host: str) -> None:
    """These may be reached by others, as far as anybody can tell."""
    assert not is_loopback(host)


def test_importing_leaves_the_environment_alone(tmp_path: Path) -> None:
    """A `.env` in the folder of a program that embeds the manager is that program's business."""
    (tmp_path / ".env").write_text("POOL_SIZE=7\nSURPRISE=1\n")
    code = (
        "import os\n"
        "from agentscope_runtime.sandbox_manager import embedded\n"
        "from agentscope_runtime.sandbox_manager.settings import Settings\n"
        "print(Settings().pool_size, 'SURPRISE' in os.environ)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["1", "False"]


def test_limits_are_by_number_by_user_by_kind_and_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes have units, shares are of this machine, kinds go by their plain names."""
    monkeypatch.setenv("MAX_SANDBOX_INSTANCES", "10")
    monkeypatch.setenv("MAX_SANDBOXES_PER_USER", "3")
    monkeypatch.setenv("MAX_SANDBOXES_BY_TYPE", "browser_async=4, gui=2")
    monkeypatch.setenv("MAX_SANDBOX_MEMORY", "1.5g")
    assert Settings().limits() == Limits(10, 3, {"browser": 4, "gui": 2}, 3 << 29)
    monkeypatch.setenv("MAX_SANDBOX_MEMORY", "50%")
    half, total = Settings().max_sandbox_memory, total_memory()
    assert total is not None and abs(2 * half - total) <= 2


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MAX_SANDBOX_MEMORY", "much", "is not a size"),
        ("MAX_SANDBOX_MEMORY", "some%", "is no percentage"),
        ("MAX_SANDBOX_MEMORY", "120%", "not above 0 and up to 100"),
        ("MAX_SANDBOXES_BY_TYPE", "browser=-1", "greater than or equal to 0"),
        ("MAX_SANDBOXES_BY_TYPE", "browser=few", "neither a number nor"),
        ("MAX_SANDBOXES_BY_TYPE", "base=0,browser=1", None),
        ("MAX_SANDBOXES_PER_USER", "-1", "greater than or equal to 0"),
        ("QUEUE_LENGTH", "-1", "greater than or equal to 0"),
    ],
)
def test_limits_that_make_no_sense_are_refused(
    name: str, value: str, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, with what they may be."""
    monkeypatch.setenv(name, value)
    if says is None:
        Settings()
        return
    with pytest.raises(ValidationError, match=says):
        Settings()


def test_a_pool_larger_than_its_kind_may_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would never be full."""
    monkeypatch.setenv("POOL_SIZE", "browser=3")
    monkeypatch.setenv("MAX_SANDBOXES_BY_TYPE", "browser=2")
    with pytest.raises(ValidationError, match="3 warm browser sandboxes, MAX_SANDBOXES_BY_TYPE allows 2"):
        Settings()


def test_idle_leases_are_suspended_for_a_day() -> None:
    """By default, with no other end, and without being frozen before."""
    settings = Settings()
    assert (settings.idle_action, settings.suspended_kept_seconds) == ("suspend", 86400.0)
    assert (settings.lease_max_seconds, settings.pause_after_seconds) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("IDLE_ACTION", "forget", "'suspend' or 'release'"),
        ("SUSPENDED_KEPT_SECONDS", "0", "greater than 0"),
        ("LEASE_MAX_SECONDS", "-1", "greater than or equal to 0"),
        ("PAUSE_AFTER_SECONDS", "2", "more than 2, twice WATCHER_SCAN_INTERVAL, and less than 300, the HEARTBEAT"),
        ("PAUSE_AFTER_SECONDS", "300", "PAUSE_AFTER_SECONDS is 300: take more than 2"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, with what they may be."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=says):
        Settings()


def test_pools_that_are_sized_have_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """One number is for each kind that is kept warm; without a hit ratio there is none."""
    monkeypatch.setenv("DEFAULT_SANDBOX_TYPE", "base,browser")
    assert Settings().pool_most() == {}
    monkeypatch.setenv("POOL_HIT_RATIO", "0.99")
    assert Settings().pool_most() == {"base": 20, "browser": 20}
    monkeypatch.setenv("POOL_MAX", "base=5,gui_async=2")
    assert Settings().pool_most() == {"base": 5, "gui": 2}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("POOL_HIT_RATIO", "1", "less than 1"),
        ("POOL_HIT_RATIO", "0", "greater than 0"),
        ("POOL_MAX", "2", "POOL_SIZE asks for 3 warm base sandboxes, POOL_MAX allows 2"),
        ("POOL_MAX", "5000", "from 0 to 1024"),
        ("POOL_MEMBER_MAX_SECONDS", "-1", "greater than or equal to 0"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start."""
    monkeypatch.setenv("POOL_HIT_RATIO", "0.9")
    monkeypatch.setenv("POOL_SIZE", "3")
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=says):
        Settings()
