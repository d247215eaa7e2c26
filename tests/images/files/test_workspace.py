"""Confinement and the verbs on files, without a container: the same code on a temporary folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_server.files.confinement import names_below
from sandbox_server.files.workspace import MissingFile, OutsideWorkspace, Workspace, WorkspaceError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a workspace, next to a folder that it must not reach."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def write(root: Path, path: str, content: bytes = b"x") -> None:
    """Write one file through the code under test."""
    with Workspace(str(root)).writing(path) as file:
        file.write(content)


@given(st.text(max_size=40), st.lists(st.sampled_from(["..", ".", "", "a", "/", "work", "outside"]), max_size=8))
def test_names_never_lead_out(prefix: str, parts: list[str]) -> None:
    """Whatever the path: either it is refused, or all its names stay below the root."""
    path = prefix + "/".join(parts)
    try:
        names = names_below("/work", path)
    except OutsideWorkspace:
        return
    assert ".." not in names and "" not in names and "." not in names
    assert os.path.normpath("/".join(["/work", *names])) == os.path.normpath(os.path.join("/work", path)).replace(
        "//", "/"
    )


def test_prefix_of_the_name_is_not_inside() -> None:
    """`/work-evil` begins like `/work`, and is another folder."""
    with pytest.raises(OutsideWorkspace):
        names_below("/work", "/work-evil/x")


@pytest.mark.parametrize("target", ["../outside", "../../{name}/outside", "{root}/../outside", "/", "..", "{outside}"])
def test_links_out(root: Path, target: str) -> None:
    """A link that leads out is refused for every verb, in the middle of a path and at its end."""
    outside = root.parent / "outside"
    link = target.format(root=root, outside=outside, name=root.parent.name)
    os.symlink(link, root / "door")
    workspace = Workspace(str(root))
    for path in ("door/secret", "door/outside/secret"):
        with pytest.raises(WorkspaceError), workspace.reading(path):
            pytest.fail("it was opened")
        with pytest.raises(WorkspaceError):
            write(root, path)
        with pytest.raises(WorkspaceError):
            workspace.remove(path)
        with pytest.raises(WorkspaceError):
            workspace.make_folder(path)
        with pytest.raises(WorkspaceError):
            workspace.move(path, "mine")
    for ask in (workspace.entry, workspace.exists):
        with pytest.raises(WorkspaceError):
            ask("door")
    with pytest.raises(WorkspaceError):
        workspace.entries("door", 1)
    assert (outside / "secret").read_text() == "secret"
    workspace.remove("door")
    assert not os.path.lexists(root / "door") and outside.exists()


def test_links_within(root: Path) -> None:
    """Absolute and relative links that stay inside lead where they say, back and forth."""
    write(root, "a/b/file", b"content")
    os.symlink("../a", root / "a" / "up")
    os.symlink(f"{root}/a/b", root / "jump")
    os.symlink("jump/../up/b/file", root / "far")
    workspace = Workspace(str(root))
    for path in ("a/up/up/b/file", "jump/file", "far"):
        with workspace.reading(path) as file:
            assert file.read() == b"content"
        assert workspace.entry(path)["path"] == f"{root}/a/b/file"


def test_a_loop_of_links_ends(root: Path) -> None:
    """Links that lead to each other are an error, soon."""
    os.symlink("b", root / "a")
    os.symlink("a", root / "b")
    with pytest.raises(WorkspaceError, match="too many links"):
        Workspace(str(root)).entry("a")


def test_nothing_stays_open(root: Path) -> None:
    """Neither success nor refusal leaves a descriptor behind."""
    os.symlink("../outside", root / "door")
    workspace = Workspace(str(root))
    before = len(os.listdir("/proc/self/fd"))
    write(root, "a/b/c")
    workspace.entries(".", 5)
    workspace.move("a/b/c", "a/d")
    for refused in ("door/secret", "a/missing/x", "a"):
        with pytest.raises((WorkspaceError, MissingFile)), workspace.reading(refused):
            pytest.fail("it was opened")
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_error_while_writing_leaves_nothing(root: Path) -> None:
    """A full disk is said in words; the old content stays, the new one is gone."""
    write(root, "file", b"old")
    with (
        pytest.raises(WorkspaceError, match="the disk of the sandbox is full"),
        Workspace(str(root)).writing("file") as file,
    ):
        file.write(b"new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(root) == ["file"] and (root / "file").read_bytes() == b"old"


def test_moving_a_folder_into_itself(root: Path) -> None:
    """What the kernel refuses is an error in words."""
    write(root, "a/b")
    with pytest.raises(WorkspaceError, match="Invalid argument"):
        Workspace(str(root)).move("a", "a/c")


def test_removing_follows_no_link(root: Path) -> None:
    """A tree goes, and what links in it lead to stays."""
    write(root, "tree/file")
    os.symlink("../../outside", root / "tree" / "door")
    Workspace(str(root)).remove("tree")
    assert os.listdir(root) == [] and (root.parent / "outside" / "secret").exists()


def test_missing_is_missing(root: Path) -> None:
    """Each verb names what is missing; removing it is fine."""
    workspace = Workspace(str(root))
    with pytest.raises(MissingFile, match="nowhere"):
        workspace.entry("nowhere")
    with pytest.raises(MissingFile, match="nowhere"):
        workspace.entries("nowhere", 1)
    assert workspace.exists("nowhere/at/all") is False
    workspace.remove("nowhere/at/all")
    assert os.listdir(root) == []


def test_removing_a_very_deep_tree(root: Path) -> None:
    """Depth costs neither stack nor descriptors, and what links lead to stays."""
    here = os.open(root, os.O_RDONLY)
    for name in ["top"] + ["a"] * 1500:
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        os.symlink(root.parent / "outside", "link", dir_fd=here)
        os.mkdir("z", dir_fd=here)
        os.close(os.open("z/file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    before = len(os.listdir("/proc/self/fd"))
    Workspace(str(root)).remove("top")
    assert os.listdir(root) == [] and (root.parent / "outside" / "secret").exists()
    assert len(os.listdir("/proc/self/fd")) == before


def test_listing_too_much(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit to one answer, which the error names; what is just within it is listed."""
    monkeypatch.setattr("sandbox_server.files.workspace.ENTRIES_MAX", 6)
    for folder in ("one", "two"):
        for n in range(2):
            write(root, f"{folder}/{n}")
    before = len(os.listdir("/proc/self/fd"))
    assert len(Workspace(str(root)).entries(".", 2)) == 6
    write(root, "three")
    with pytest.raises(WorkspaceError, match=r"more than 6 entries.*depth=1"):
        Workspace(str(root)).entries(".", 2)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_path_that_is_no_text(root: Path) -> None:
    """Half of a surrogate pair is refused as a path, not as a bug."""
    with pytest.raises(OutsideWorkspace, match="not Unicode text"):
        Workspace(str(root)).entry("a\ud800")
