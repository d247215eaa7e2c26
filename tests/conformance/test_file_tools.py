"""The tools for files by the methods of `FilesystemSandbox`: defaults, each argument, refusals, and calls at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from driving import Driven, failure, said, text

from agentscope_runtime.sandbox.errors import InvalidRequest

pytestmark = pytest.mark.docker
KINDS = ("filesystem",)


def test_write_read_and_replace(box: Driven, folder: str) -> None:
    """What is written is read, by tool, command and cell alike; a second time it is replaced."""
    path = f"{folder}/new/notes.txt"
    assert text(box.write_file(path, "grüße 🐍\n")) == f"Successfully wrote to {path}"
    assert text(box.read_file(path)) == "grüße 🐍\n" == said(box.run_shell_command(f"cat {path}"))
    box.write_file(f"/workspace/{path}", "")
    assert text(box.read_file(path)) == ""


def test_several_files(box: Driven, folder: str) -> None:
    """Each stands under its name, and one that is missing says so in its place."""
    box.write_file(f"{folder}/a", "1")
    result = text(box.read_multiple_files([f"{folder}/a", f"{folder}/none"]))
    assert result == f"{folder}/a:\n1\n---\n{folder}/none: Error - there is no '{folder}/none'"


def test_edits_and_their_dry_run(box: Driven, folder: str) -> None:
    """A dry run shows what the edit does, and does not do it."""
    path, edits = f"{folder}/f.py", [{"oldText": "b = 2", "newText": "b = 3"}]
    box.write_file(path, "a = 1\nb = 2\n")
    shown = text(box.edit_file(path, edits, dry_run=True))
    assert shown.startswith("```diff\n") and "-b = 2\n+b = 3\n" in shown
    assert text(box.read_file(path)) == "a = 1\nb = 2\n"
    assert text(box.edit_file(path, edits)) == shown
    assert text(box.read_file(path)) == "a = 1\nb = 3\n"
    assert "oldText" in failure(box.edit_file(path, edits))


def test_folders(box: Driven, folder: str) -> None:
    """They are made, listed, shown as a tree and searched."""
    assert text(box.create_directory(f"{folder}/x/y")) == f"Successfully created directory {folder}/x/y"
    box.write_file(f"{folder}/x/Report.md", "")
    assert text(box.list_directory(f"{folder}/x")) == "[FILE] Report.md\n[DIR] y"
    tree = json.loads(text(box.directory_tree(folder)))
    members = [{"name": "Report.md", "type": "file"}, {"name": "y", "type": "directory", "children": []}]
    assert tree == [{"name": "x", "type": "directory", "children": members}]
    found = f"/workspace/{folder}/x/Report.md"
    assert text(box.search_files(folder, "report")) == found == text(box.search_files(folder, "*.md", ["y"]))
    assert text(box.search_files(folder, "report", exclude_patterns=["*.md"])) == "No matches found"


def test_moves_and_facts(box: Driven, folder: str) -> None:
    """A file is moved to where nothing is, and known by its size, kind and mode."""
    box.write_file(f"{folder}/a", "12345")
    assert text(box.move_file(f"{folder}/a", f"{folder}/b")) == f"Successfully moved {folder}/a to {folder}/b"
    facts = dict(line.split(": ", 1) for line in text(box.get_file_info(f"{folder}/b")).splitlines())
    assert (facts["size"], facts["isFile"], facts["isDirectory"], facts["permissions"]) == ("5", "true", "false", "644")
    box.write_file(f"{folder}/a", "")
    assert "already" in failure(box.move_file(f"{folder}/a", f"{folder}/b"))
    assert text(box.list_allowed_directories()) == "Allowed directories:\n/workspace"


def test_refusals_are_results(box: Driven, folder: str) -> None:
    """Missing, outside, behind a link, binary, too large and not permitted: each is an error in words."""
    box.run_shell_command(
        f"cd {folder}; ln -s /etc out; printf '\\xff\\xfe' > binary; truncate -s 20M large; "
        "mkdir locked; touch locked/f; chmod 000 locked"
    )
    for path, words in {
        f"{folder}/none": "there is no",
        "../etc/passwd": "outside of /workspace",
        f"{folder}/out/passwd": "a link out of the workspace",
        f"{folder}/binary": "not UTF-8 text",
        f"{folder}/large": "larger than",
        f"{folder}/locked/f": "Permission denied",
        folder: "not a regular file",
    }.items():
        assert words in failure(box.read_file(path)) and failure(box.read_file(path)).startswith("Error: ")
    box.run_shell_command(f"chmod 700 {folder}/locked")


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("read_file", {}, "path"),
        ("read_multiple_files", {"paths": "a"}, "paths"),
        ("write_file", {"path": "a"}, "content"),
        ("edit_file", {"path": "a", "edits": [{"oldText": "x"}]}, "newText"),
        ("edit_file", {"path": "a", "edits": [], "dryRun": "yes"}, "dryRun"),
        ("search_files", {"path": ".", "pattern": "x", "excludePatterns": [1]}, "excludePatterns"),
        ("move_file", {"source": "a", "to": "b"}, "destination"),
    ],
)
def test_wrong_arguments_are_named(box: Driven, tool: str, arguments: dict[str, Any], named: str) -> None:
    """The message names tool and argument, down to the member of an edit."""
    with pytest.raises(InvalidRequest, match=f"{tool}.*{named}"):
        box.call_tool(tool, arguments)


def test_both_spellings(box: Driven, folder: str) -> None:
    """An argument is taken as MCP spells it and as Python does."""
    box.write_file(f"{folder}/f", "a")
    edits = [{"oldText": "a", "newText": "b"}]
    for name in ("dryRun", "dry_run"):
        assert "+b" in text(box.tool("edit_file", path=f"{folder}/f", edits=edits, **{name: True}))
    assert text(box.read_file(f"{folder}/f")) == "a"


def test_calls_at_once_never_mix(box: Driven, folder: str) -> None:
    """Twelve files written and read at once hold each their own content."""

    def one(number: int) -> bool:
        path = f"{folder}/{number}"
        box.write_file(path, f"{number}\n" * 1000)
        return text(box.read_file(path)) == f"{number}\n" * 1000

    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(one, range(12)))
