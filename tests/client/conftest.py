"""What the client's tests talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_manager import ScriptedManager


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep settings and key of whoever runs the tests, but for their images, out of them; return the state folder."""
    for name in ("BEARER_TOKEN", "RUNTIME_SANDBOX_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def manager() -> Iterator[ScriptedManager]:
    """A manager on a real socket that answers from memory."""
    with ScriptedManager().serving() as running:
        yield running
