"""A served manager for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from served_manager import Manager
from served_manager import manager as run_manager


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """Run a manager with the usual settings."""
    async with run_manager(tmp_path) as running:
        yield running
