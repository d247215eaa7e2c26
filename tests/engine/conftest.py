"""What the engine's tests talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scripted_manager import ScriptedManager


@pytest.fixture
def manager() -> Iterator[ScriptedManager]:
    """A manager on a real socket that answers from memory."""
    with ScriptedManager().serving() as running:
        yield running
