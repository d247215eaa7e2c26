"""Edits of a text and their diff: what is matched, what is kept, and what git can apply."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox_server.files.edit import NoMatch, diff, edited


def test_edits_follow_each_other() -> None:
    """A later edit sees what an earlier one made; each replaces the first place only."""
    assert edited("a a\n", [("a", "b"), ("b a", "c")]) == "c\n"


def test_indentation_may_differ() -> None:
    """Lines that differ in their indentation only count as the place, and the new text is indented as they are."""
    content = "def f():\n        if x:\n            return 1\n"
    changed = edited(content, [("if x:\n    return 1", "if y:\n    return 2\nreturn 3")])
    assert changed == "def f():\n        if y:\n            return 2\n        return 3\n"


@pytest.mark.parametrize("old", ["missing", "", "\n\n\n"])
def test_what_is_not_there_is_refused(old: str) -> None:
    """An old text that is nowhere, or that is empty, changes nothing and says so."""
    with pytest.raises(NoMatch, match="oldText"):
        edited("a\n\nb\n", [("a", "x"), (old, "y")])


def test_windows_line_ends_are_kept() -> None:
    """A file with them has them afterwards, whichever the edit was written with; a mixed one is left as it is."""
    assert edited("a\r\nb\r\nc\r\n", [("a\nb", "x\ny")]) == "x\r\ny\r\nc\r\n"
    assert edited("a\nb\n", [("a\r\nb", "x\r\ny")]) == "x\ny\n"
    assert edited("a\r\nb\nc", [("b\n", "B\n")]) == "a\r\nB\nc"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("".join(f"{n}\n" for n in range(50)), "".join(f"{n}\n" for n in range(50) if n != 30)),
        ("", "new\n"),
        ("old\n", ""),
        ("a\nb", "a\nb\n"),
        ("a\nb\n", "a\nc"),
        ("same\n" * 20, "same\n" * 21),
        ("x\n" + "same\n" * 20 + "y\n", "z\n" + "same\n" * 20 + "w\n"),
    ],
)
def test_git_applies_the_diff(before: str, after: str, tmp_path: Path) -> None:
    """The diff is one that git makes the new file of, line numbers and missing line ends included."""
    lines = diff(before, after, "file.txt").splitlines(keepends=True)
    assert lines[0] == "```diff\n" and lines[-1] == "```\n"
    (tmp_path / "file.txt").write_text(before)
    patch = "".join(lines[1:-1]).encode()
    subprocess.run(["git", "apply", "--unidiff-zero", "-"], cwd=tmp_path, input=patch, check=True)
    assert (tmp_path / "file.txt").read_text() == after


def test_fence_is_longer_than_any_in_the_text() -> None:
    """A diff with a fenced block in it stays one block."""
    shown = diff("```\na\n```\n", "```\nb\n```\n", "notes.md")
    assert shown.startswith("````diff\n") and shown.endswith("\n````\n")


def test_a_small_edit_of_a_large_file_is_quick() -> None:
    """Only what lies between the changes is compared: tens of thousands of equal lines cost nothing."""
    before = "the same line\n" * 100_000 + "old\n" + "the same line\n" * 40_000
    shown = diff(before, before.replace("old", "new"), "big.txt")
    assert "@@ -99998,7 +99998,7 @@" in shown and "-old\n+new\n" in shown
