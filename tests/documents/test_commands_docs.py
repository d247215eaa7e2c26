"""The programs of docs/commands.md run, and print what the page lets expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from managers import ROOT
from programs import printed

PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = {
    "GREETING": r"0 \['/tmp', 'hello'\]  False\n",
    "on_output": r"1\n2\n3\n",
    "http.server": r"0\n\['running', 'exited'\]\nServing HTTP on [^\n]*\n(127\.0\.0\.1[^\n]* 200 -\n)+\n137\n",
    "end_input": r"a\nb\n\n42\n\n",
    "terminal_url": r"(http://127\.0\.0\.1:\d+/terminal/sbx-\w+#ticket=[\w-]+\n){3}",
}
"""What a program prints, as a pattern, by words that stand in no other."""


def test_every_program_is_run() -> None:
    """A new one needs its output above."""
    assert [sum(words in block for words in PRINTED) for block in BLOCKS] == [1] * len(PRINTED)


@pytest.mark.docker
@pytest.mark.parametrize("words", PRINTED)
def test_the_programs_run(words: str, tmp_path: Path) -> None:
    """As they stand on the page; nobody presses Enter."""
    (block,) = (block for block in BLOCKS if words in block)
    said = printed(re.sub(r"^ +input\(.*\n", "", block, flags=re.MULTILINE), tmp_path)
    assert re.fullmatch(PRINTED[words], said), said
