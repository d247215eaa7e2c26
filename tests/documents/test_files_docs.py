"""The programs of docs/files.md run, and print what the page lets expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from managers import ROOT
from programs import printed

PAGE = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = {
    "notes/today.txt": "grüße b'gr\\xc3\\xbc\\xc3\\x9fe'\n7 ['notes', 'today.txt']\nFalse\n",
    "box.fs.upload": "42\n ['main.py', 'result.txt']\n",
    "box.fs.watch": "created /workspace/out/part None\nmoved /workspace/out/result /workspace/out/part\n",
    "get_upload_url": "b'done'\nhttp://127.0.0.1:",
}
"""What a program prints, or how that begins, by words that stand in no other."""


def test_every_program_is_run() -> None:
    """A new one needs its output above."""
    assert [sum(words in block for words in PRINTED) for block in BLOCKS] == [1] * len(PRINTED)


@pytest.mark.docker
@pytest.mark.parametrize("words", PRINTED)
def test_the_programs_run(words: str, tmp_path: Path) -> None:
    """As they stand on the page."""
    (block,) = (block for block in BLOCKS if words in block)
    said = printed(block, tmp_path)
    # That a new file was written to may be told with its creation, or after it.
    lines = [line for line in said.splitlines() if not line.startswith("modified")]
    expected = PRINTED[words].splitlines()
    assert len(lines) == len(expected)
    assert all(line.startswith(begin) for line, begin in zip(lines, expected, strict=True)), said
