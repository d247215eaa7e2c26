"""The programs of docs/desktops.md run, and print what the page lets expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from managers import ROOT
from programs import printed

PAGE = (ROOT / "docs" / "desktops.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = {
    "get_screenshot": r"http://127\.0\.0\.1:\d+/desktop/sbx-\w+#ticket=[\w-]+\n",
    "get_resolution": r"\(1600, 1000\)\n",
}
"""What a program prints, as a pattern, by a word that stands in no other."""


def test_every_program_is_run() -> None:
    """A new one needs its output above."""
    assert [sum(words in block for words in PRINTED) for block in BLOCKS] == [1] * len(PRINTED)


@pytest.mark.docker
@pytest.mark.parametrize("words", PRINTED)
def test_the_programs_run(words: str, tmp_path: Path) -> None:
    """As they stand on the page."""
    (block,) = (block for block in BLOCKS if words in block)
    assert re.fullmatch(PRINTED[words], said := printed(block, tmp_path)), said
