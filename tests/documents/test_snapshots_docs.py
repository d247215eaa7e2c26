"""The programs of docs/snapshots.md run as they stand there; each asserts by itself what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from managers import ROOT
from programs import printed

from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.snapshot_keeper import AT_ONCE, OF_ONE_USER
from agentscope_runtime.sandbox_manager.snapshots.s3 import PART

PAGE = (ROOT / "docs" / "snapshots.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.docker
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_programs_run(number: int, tmp_path: Path) -> None:
    """With a manager of their own, which leaves nothing."""
    assert "assert" in BLOCKS[number]
    assert printed(BLOCKS[number], tmp_path) == ""


def test_the_bounds_are_those_of_the_settings() -> None:
    """Also those that cannot be set."""
    defaults = Settings.model_fields
    for name, size in re.findall(r"\| `(SNAPSHOT\w+)` \| `(\d+)g?` \|", PAGE):
        assert defaults[name.lower()].default in (int(size), int(size) << 30), name
    assert (AT_ONCE, OF_ONE_USER, PART * 3 >> 20) == (8, 4, 24)
    assert "Each manager makes eight at a time, four of them of one user, and holds some 25 MB" in PAGE
