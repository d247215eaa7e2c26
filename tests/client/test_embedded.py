"""The manager in this process: one for all who share it, started by the first and stopped by the last."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from agentscope_runtime.sandbox import embedded
from agentscope_runtime.sandbox.embedded import Share
from agentscope_runtime.sandbox.errors import InvalidRequest, ManagerUnreachable


@dataclass
class Managers:
    """Stands in for the manager's module: counts what it starts and stops."""

    started: list[tuple[str, ...]] = field(default_factory=list)
    stopped: int = 0
    fail: Exception | None = None
    base_url: str = "http://127.0.0.1:1"
    key: str = "k"

    def start(self, sandbox_types: tuple[str, ...]) -> Managers:
        """Start, or fail as told."""
        if self.fail is not None:
            raise self.fail
        self.started.append(sandbox_types)
        return self

    def stop(self) -> None:
        """Stop."""
        self.stopped += 1


@pytest.fixture
def managers(monkeypatch: pytest.MonkeyPatch) -> Managers:
    """What is loaded in place of the manager's module."""
    managers = Managers()
    module = ModuleType("a_manager")
    module.start = managers.start  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_manager", module)
    monkeypatch.setattr(embedded, "MANAGER_MODULE", "a_manager")
    monkeypatch.setattr(embedded, "_process", embedded._Process())
    return managers


def test_one_manager_serves_all_and_stops_with_the_last(managers: Managers) -> None:
    """The first share starts it, the last one stops it, and the next starts another."""
    one, other = Share("browser"), Share("base")
    assert one.start() == other.start()
    one.stop()
    one.stop()
    assert managers.stopped == 0
    other.stop()
    assert (managers.started, managers.stopped) == ([("browser",)], 1)
    another = Share("base")
    another.start()
    another.stop()
    assert (len(managers.started), managers.stopped) == (2, 2)


def test_many_threads_start_one(managers: Managers) -> None:
    """Starting at the same time starts once."""
    shares = [Share("base") for _ in range(8)]
    threads = [threading.Thread(target=share.start) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(managers.started) == 1
    for share in shares:
        share.stop()
    assert managers.stopped == 1


def test_a_share_that_left_does_not_start(managers: Managers) -> None:
    """A cancelled start, whose thread comes late, starts nothing that nobody would stop."""
    share = Share("base")
    share.stop()
    with pytest.raises(InvalidRequest, match="closed while it was starting"):
        share.start()
    assert not managers.started


def test_a_start_that_fails_leaves_nothing(managers: Managers) -> None:
    """After a failure the next one tries again."""
    managers.fail = ManagerUnreachable("no Docker")
    share = Share("base")
    with pytest.raises(ManagerUnreachable, match="no Docker"):
        share.start()
    share.stop()
    assert managers.stopped == 0
    managers.fail = None
    share = Share("base")
    share.start()
    share.stop()
    assert managers.stopped == 1


def test_a_forked_child_leaves_its_parents_manager_alone(managers: Managers) -> None:
    """What a child inherits is its parent's: the child neither uses nor stops it."""
    share = Share("base")
    share.start()
    child = os.fork()
    if child == 0:
        share.stop()
        fresh = Share("base")
        fresh.start()
        os._exit(0 if (managers.stopped, len(managers.started)) == (0, 2) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    share.stop()


def test_a_client_alone_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the manager's packages the message says to install them or to give base_url."""
    monkeypatch.setattr(embedded, "MANAGER_MODULE", "agentscope_runtime.no_such_manager")
    with pytest.raises(ManagerUnreachable, match=r"no_such_manager.*give base_url="):
        Share("base").start()


def test_it_needs_no_installed_metadata(tmp_path: Path) -> None:
    """From a checkout that nobody installed, a script finds the manager, runs a tool and ends; nothing is printed."""
    program = f"""
import importlib.metadata as metadata, sys
sys.path[:0] = {sys.path!r}
found = metadata.Distribution.from_name
def others_only(name):
    if name.startswith("agentscope"):
        raise metadata.PackageNotFoundError(name)
    return found(name)
metadata.Distribution.from_name = others_only
from agentscope_runtime.sandbox import BaseSandbox
with BaseSandbox() as box:
    print(box.run_shell_command("hello")["content"][0]["text"])
"""
    environment = {"AGENTSCOPE_RUNTIME_STATE_DIR": str(tmp_path), "CONTAINER_DEPLOYMENT": "fake"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)
