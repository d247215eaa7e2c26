"""The proof that a manager lives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentscope_runtime.sandbox_manager.liveness import Liveness


def test_a_manager_is_alive_exactly_while_it_holds_its_lock(tmp_path: Path) -> None:
    """And leaves no file when it ends in good order."""
    liveness = Liveness(tmp_path)
    assert liveness.is_dead("mgr-1")
    assert liveness.known() == []
    with liveness.alive("mgr-1"):
        assert not liveness.is_dead("mgr-1")
        assert liveness.known() == ["mgr-1"]
    assert liveness.is_dead("mgr-1")
    assert liveness.known() == []


def test_a_lock_file_without_a_lock_proves_nothing_but_death(tmp_path: Path) -> None:
    """A killed manager leaves its file; it can be removed then."""
    liveness = Liveness(tmp_path)
    (tmp_path / "managers").mkdir()
    (tmp_path / "managers" / "mgr-1.lock").touch()
    assert liveness.known() == ["mgr-1"]
    assert liveness.is_dead("mgr-1")
    liveness.forget("mgr-1")
    assert liveness.known() == []


def test_a_living_manager_cannot_be_forgotten(tmp_path: Path) -> None:
    """Whatever others believe."""
    liveness = Liveness(tmp_path)
    with liveness.alive("mgr-1"):
        liveness.forget("mgr-1")
        assert not liveness.is_dead("mgr-1")
        assert liveness.known() == ["mgr-1"]
    liveness.forget("mgr-1")


def test_managers_that_start_while_others_clean_up_stay_alive(tmp_path: Path) -> None:
    """Between making the file and locking it somebody may take it for a dead one's: then it is made again."""
    liveness = Liveness(tmp_path)

    def start(number: int) -> bool:
        with liveness.alive(f"mgr-{number}"):
            return not liveness.is_dead(f"mgr-{number}")

    def clean(_: int) -> None:
        for manager in liveness.known():
            liveness.forget(manager)

    with ThreadPoolExecutor(8) as threads:
        cleaning = [threads.submit(clean, number) for number in range(300)]
        assert all(threads.map(start, range(300)))
        for each in cleaning:
            each.result()


def test_names_stay_inside_the_folder(tmp_path: Path) -> None:
    """Labels on the engine are written by whoever can talk to it."""
    with pytest.raises(ValueError, match="not the name"):
        Liveness(tmp_path).is_dead("../key")
