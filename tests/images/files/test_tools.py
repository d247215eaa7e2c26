"""The tools for files on a folder of the test's: texts, limits, links, and what each refuses."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox_server.arguments import InvalidArgument, check
from sandbox_server.files.tools import FileTools

Call = Callable[..., str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def _run(root: Path, name: str, **arguments: Any) -> dict[str, Any]:
    tool = next(tool for tool in FileTools(str(root)).tools() if tool.name == name)

    async def call() -> dict[str, Any]:
        return await tool.call(check(tool.input_schema, arguments), None)

    return asyncio.run(call())


@pytest.fixture
def ok(root: Path) -> Call:
    """Call a tool that works; its one text."""

    def call(name: str, **arguments: Any) -> str:
        result = _run(root, name, **arguments)
        assert result["isError"] is False and result["meta"] is None, result
        (item,) = result["content"]
        assert item["type"] == "text" and item["annotations"] is None
        return str(item["text"])

    return call


@pytest.fixture
def refused(root: Path) -> Call:
    """Call a tool that refuses; why."""

    def call(name: str, **arguments: Any) -> str:
        result = _run(root, name, **arguments)
        (item,) = result["content"]
        assert result["isError"] is True and item["text"].startswith("Error: "), result
        return str(item["text"]).removeprefix("Error: ")

    return call


def test_write_and_read(root: Path, ok: Call) -> None:
    """What is written is read, whatever its letters; folders on the way are made."""
    assert ok("write_file", path="a/b.txt", content="grüß\r\ngott") == "Successfully wrote to a/b.txt"
    assert ok("read_file", path=f"{root}/a/b.txt") == "grüß\r\ngott"
    assert (root / "a/b.txt").read_bytes() == "grüß\r\ngott".encode()


def test_several_files_at_once(root: Path, ok: Call, refused: Call) -> None:
    """Each has its block; one that cannot be read says so in its place; when none can, it is an error."""
    (root / "a").write_text("1\n")
    (root / "b").write_text("2")
    assert ok("read_multiple_files", paths=["a", "none", "b"]) == (
        "a:\n1\n\n---\nnone: Error - there is no 'none'\n---\nb:\n2"
    )
    assert "none of the files" in refused("read_multiple_files", paths=["none", "../x"])
    assert ok("read_multiple_files", paths=[]) == ""


def test_reading_is_bounded_and_text_only(root: Path, ok: Call, refused: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file over the limit, one that is no text and a folder are refused with the cure."""
    monkeypatch.setattr("sandbox_server.files.tools.READ_LIMIT", 10)
    (root / "big").write_text("x" * 11)
    (root / "fits").write_text("x" * 10)
    (root / "binary").write_bytes(b"ab\xff")
    (root / "folder").mkdir()
    assert "larger than the 10 bytes" in refused("read_file", path="big")
    assert "not UTF-8 text (byte 2)" in refused("read_file", path="binary")
    assert "not a regular file" in refused("read_file", path="folder")
    assert ok("read_file", path="fits") == "x" * 10
    several = ok("read_multiple_files", paths=["fits", "fits"])
    assert several.startswith("fits:\nxxxxxxxxxx\n---\nfits: Error - 'fits' is larger than the 0 bytes")


def test_edit_shows_and_does(root: Path, ok: Call, refused: Call) -> None:
    """A dry run shows the same diff as the edit and changes nothing; a refused edit changes nothing either."""
    (root / "f.py").write_text("a = 1\nb = 2\n")
    edits = [{"oldText": "b = 2", "newText": "b = 3"}]
    shown = ok("edit_file", path="f.py", edits=edits, dryRun=True)
    assert "-b = 2\n+b = 3\n" in shown and (root / "f.py").read_text() == "a = 1\nb = 2\n"
    assert ok("edit_file", path="f.py", edits=edits) == shown
    assert (root / "f.py").read_text() == "a = 1\nb = 3\n"
    assert "oldText" in refused("edit_file", path="f.py", edits=[*edits, {"oldText": "gone", "newText": "x"}])
    assert (root / "f.py").read_text() == "a = 1\nb = 3\n"


def test_a_script_stays_executable(root: Path, ok: Call) -> None:
    """An edit keeps the mode of a file."""
    (root / "run.sh").write_text("echo 1\n")
    (root / "run.sh").chmod(0o755)
    ok("edit_file", path="run.sh", edits=[{"oldText": "1", "newText": "2"}])
    assert "permissions: 755" in ok("get_file_info", path="run.sh")


def test_folders(root: Path, ok: Call, refused: Call) -> None:
    """They are made with those on the way, again without harm, and listed by kind; a file is in the way of one."""
    assert ok("create_directory", path="x/y") == ok("create_directory", path="x/y")
    assert ok("create_directory", path="x/y") == "Successfully created directory x/y"
    (root / "x/b.txt").touch()
    assert ok("list_directory", path="x") == "[FILE] b.txt\n[DIR] y"
    assert ok("list_directory", path="x/y") == ""
    assert "exists" in refused("create_directory", path="x/b.txt")
    assert "not a folder" in refused("list_directory", path="x/b.txt")


def test_tree(root: Path, ok: Call) -> None:
    """It is JSON; folders have children, also none, and files have no such member."""
    (root / "a/empty").mkdir(parents=True)
    (root / "a/f").touch()
    assert json.loads(ok("directory_tree", path=".")) == [
        {
            "name": "a",
            "type": "directory",
            "children": [{"name": "empty", "type": "directory", "children": []}, {"name": "f", "type": "file"}],
        }
    ]


def test_move_replaces_nothing(root: Path, ok: Call, refused: Call) -> None:
    """A move goes where nothing is; what is at the destination stays."""
    (root / "a").write_text("a")
    (root / "b").write_text("b")
    assert "already" in refused("move_file", source="a", destination="b") and (root / "b").read_text() == "b"
    assert "there is no 'none'" in refused("move_file", source="none", destination="c")
    assert ok("move_file", source="a", destination="new/a") == "Successfully moved a to new/a"
    assert (root / "new/a").read_text() == "a" and not (root / "a").exists()


def test_search(root: Path, ok: Call) -> None:
    """Parts of names in whatever case, patterns over whole names and paths, and exclusions that prune."""
    for name in ("src/Report.py", "src/deep/report_2.txt", "node_modules/report.js", "other.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    all_three = [f"{root}/{name}" for name in ("node_modules/report.js", "src/Report.py", "src/deep/report_2.txt")]
    assert ok("search_files", path=".", pattern="report").splitlines() == all_three
    assert (
        ok("search_files", path=".", pattern="REPORT", excludePatterns=["node_modules"]).splitlines() == all_three[1:]
    )
    assert ok("search_files", path=".", pattern="*.py") == f"{root}/src/Report.py"
    assert ok("search_files", path=".", pattern="src/**/*.txt") == f"{root}/src/deep/report_2.txt"
    assert ok("search_files", path="src", pattern="**/*.py") == f"{root}/src/Report.py"
    assert ok("search_files", path=".", pattern="*report*", excludePatterns=["**/deep", "*.js"]) == all_three[1]
    assert ok("search_files", path=".", pattern="nothing") == "No matches found"
    assert ok("search_files", path="src/deep", pattern="zz", excludePatterns=None) == "No matches found"


def test_search_is_bounded(root: Path, ok: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the answer says that there is more."""
    monkeypatch.setattr("sandbox_server.files.tools.SEARCH_LIMIT", 2)
    for name in "abc":
        (root / f"f{name}").touch()
    lines = ok("search_files", path=".", pattern="f").splitlines()
    assert len(lines) == 3 and "only the first 2 matches" in lines[2]


def test_info(root: Path, ok: Call) -> None:
    """It names size, times, kind and mode, a line each."""
    (root / "f").write_text("12345")
    (root / "f").chmod(0o640)
    os.utime(root / "f", (0, 86400))
    info = dict(line.split(": ", 1) for line in ok("get_file_info", path="f").splitlines())
    assert list(info) == ["size", "created", "modified", "accessed", "isDirectory", "isFile", "permissions"]
    assert info["size"] == "5" and info["permissions"] == "640"
    assert info["modified"] == "1970-01-02T00:00:00.000Z" and info["accessed"] == "1970-01-01T00:00:00.000Z"
    assert (info["isDirectory"], info["isFile"]) == ("false", "true")
    assert "isDirectory: true" in ok("get_file_info", path=".")


def test_allowed_directories(root: Path, ok: Call) -> None:
    """It is the workspace."""
    assert ok("list_allowed_directories") == f"Allowed directories:\n{root}"


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "out/secret", "loop"])
def test_nothing_outside_of_the_workspace(root: Path, refused: Call, path: str) -> None:
    """No path and no link leads out, for reading, writing, editing, listing and moving alike."""
    (root.parent / "secret").write_text("secret")
    (root / "out").symlink_to(root.parent)
    (root / "loop").symlink_to("loop")
    (root / "mine").write_text("mine")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("read_file", {"path": path}),
        ("write_file", {"path": path, "content": "x"}),
        ("edit_file", {"path": path, "edits": [{"oldText": "s", "newText": "t"}]}),
        ("get_file_info", {"path": path}),
        ("list_directory", {"path": path}),
        ("directory_tree", {"path": path}),
        ("search_files", {"path": path, "pattern": "s"}),
    ]
    for name, arguments in calls:
        assert "secret" not in refused(name, **arguments).replace(repr(path), "")
    assert (root.parent / "secret").read_text() == "secret"


def test_links_inside_are_followed(root: Path, ok: Call) -> None:
    """A link within the workspace is what it leads to, and in a listing a file."""
    (root / "f").write_text("content")
    (root / "link").symlink_to(root / "f")
    assert ok("read_file", path="link") == "content"
    assert ok("list_directory", path=".") == "[FILE] f\n[FILE] link"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "f"}, "argument 'edits' is missing"),
        ({"path": "f", "edits": [{"oldText": "a"}]}, "argument 'edits', item 0, member 'newText' is missing"),
        ({"path": "f", "edits": [{"oldText": 1, "newText": "b"}]}, "item 0, member 'oldText' must be a string"),
        ({"path": "f", "edits": [{"oldText": "a", "newText": "b", "x": 1}]}, "member 'x' is unknown"),
        ({"path": "f", "edits": ["a"]}, "item 0, must be an object, not a string"),
    ],
)
def test_wrong_edits_are_named(root: Path, arguments: dict[str, Any], words: str) -> None:
    """The schema goes down to the members of each edit."""
    with pytest.raises(InvalidArgument) as caught:
        _run(root, "edit_file", **arguments)
    assert words in str(caught.value)
