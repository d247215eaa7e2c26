"""Edits of a text: old texts replaced by new ones, and the change shown as a diff. No files here."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable

CONTEXT = 3
INDENT = re.compile(r"[ \t]*")


class NoMatch(Exception):
    """An old text is not in the file; the message shows it."""


def edited(content: str, edits: Iterable[tuple[str, str]]) -> str:
    """Return the content with each old text replaced by its new one, in order.

    A file with Windows' line ends keeps them, whatever the edits are written with.

    Raises:
        NoMatch: one of them is not there.
    """
    crlf = "\r\n" in content and content.count("\r\n") == content.count("\n")
    text = _unix(content) if crlf else content
    for old, new in edits:
        text = _replaced(text, *((_unix(old), _unix(new)) if crlf or "\r\n" not in content else (old, new)))
    return text.replace("\n", "\r\n") if crlf else text


def diff(before: str, after: str, path: str) -> str:
    """Return the change as a git-style diff in a fenced block; the fence is longer than any in the text."""
    old, new = _lines(before), _lines(after)
    # Most edits are small: comparing only what lies between the first and the last change is what makes this fast.
    start = _same(zip(old, new, strict=False))
    start = max(0, start - CONTEXT)
    rest = min(len(old), len(new)) - start
    end = max(0, min(_same(zip(reversed(old), reversed(new), strict=False)), rest) - CONTEXT)
    hunks = difflib.unified_diff(old[start : len(old) - end], new[start : len(new) - end], n=CONTEXT, lineterm="\n")
    body = "".join(_shifted(line, start) for line in itertools.islice(hunks, 2, None))
    text = f"--- a/{path}\n+++ b/{path}\n{body}"
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}diff\n{text}{fence}\n"


def _replaced(text: str, old: str, new: str) -> str:
    if not old:
        raise NoMatch("an edit's oldText is empty; to write a whole file use write_file")
    if old in text:
        return text.replace(old, new, 1)
    lines, wanted = text.split("\n"), old.strip("\n").split("\n")
    stripped, target = [line.strip() for line in lines], [line.strip() for line in wanted]
    for at in range(len(lines) - len(wanted) + 1 if old.strip() else 0):
        if stripped[at : at + len(wanted)] == target:
            found = _indent(lines[at])
            lines[at : at + len(wanted)] = _indented(new.strip("\n"), _indent(wanted[0]), found)
            return "\n".join(lines)
    raise NoMatch(f"there is no place that has this oldText, not even with another indentation:\n{old}")


def _indented(text: str, instead_of: str, indent: str) -> list[str]:
    """Give a text's lines the indentation of the place that they go to, and keep their own beyond it."""
    return [
        indent + line.removeprefix(instead_of) if line.startswith(instead_of) and line.strip() else line
        for line in text.split("\n")
    ]


def _indent(line: str) -> str:
    found = INDENT.match(line)
    return found[0] if found else ""


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")


def _lines(text: str) -> list[str]:
    """Return the lines with their ends; a last one without says so as git does."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([f"{last}\n\\ No newline at end of file\n"] if last else [])


def _same(pairs: Iterable[tuple[str, str]]) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _shifted(line: str, by: int) -> str:
    """Count the lines of a hunk's header from the beginning of the file."""
    if not line.startswith("@@ "):
        return line
    return re.sub(r"(?<=[-+])\d+", lambda number: str(int(number[0]) + by), line)
