"""The programs of docs/leases.md run as they stand there; each asserts by itself what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from managers import ROOT
from programs import printed

PAGE = (ROOT / "docs" / "leases.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.docker
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_programs_run(number: int, tmp_path: Path) -> None:
    """With a manager of their own, which leaves nothing."""
    assert "assert" in BLOCKS[number]
    said = printed(BLOCKS[number], tmp_path)
    assert said == ("This is a dummy sandbox: run_ipython_cell was not run.\n" if "Dummy" in BLOCKS[number] else "")
