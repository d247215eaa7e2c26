"""What the machine says of its memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentscope_runtime.sandbox_manager import machine


def test_memory_is_told_in_bytes() -> None:
    """Less is available than there is."""
    total, available = machine.total_memory(), machine.available_memory()
    assert total is not None and available is not None
    assert 1 << 26 < available <= total


def test_a_machine_that_does_not_say_has_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither where the file is missing nor where the line is."""
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "none")
    assert machine.total_memory() is None
    (tmp_path / "none").write_text("MemFree: 1 kB\n", encoding="ascii")
    assert machine.available_memory() is None
