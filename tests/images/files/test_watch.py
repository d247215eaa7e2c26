"""Watching folders, without a container: the same code on a temporary folder and the kernel of this machine."""

from __future__ import annotations

import errno
import io
import os
import select
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox_server.files import inotify, watch
from sandbox_server.files.unpacking import unpack
from sandbox_server.files.watch import Watch
from sandbox_server.files.workspace import MissingFile, OutsideWorkspace, Workspace, WorkspaceError

Told = list[tuple[str, ...]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a workspace with a folder to watch."""
    (tmp_path / "work" / "seen" / "sub").mkdir(parents=True)
    (tmp_path / "work" / "seen" / "file").write_text("x")
    return tmp_path / "work"


@contextmanager
def watching(workspace: Workspace, path: str = "seen", *, recursive: bool = False) -> Iterator[Callable[[], Told]]:
    """Watch; what is yielded returns what happened since it was called last."""
    watched = Watch(workspace, path, recursive)

    def told() -> Told:
        assert select.select([watched.descriptor], [], [], 5)[0], "nothing happened"
        names = []
        for event in watched.read():
            paths = [os.path.relpath(event[key], workspace._root) for key in ("from", "path") if key in event]
            names.append((event["event"], *paths))
        return names

    try:
        yield told
    finally:
        watched.close()


def test_what_becomes_of_a_file(root: Path) -> None:
    """Made, written to, given another mode, renamed and removed: each is told once, in order."""
    seen = root / "seen"
    with watching(Workspace(str(root))) as told:
        with (seen / "new").open("w") as file:
            for _ in range(10):
                print("x", file=file, flush=True)
        (seen / "file").chmod(0o600)
        (seen / "new").rename(seen / "name")
        (seen / "file").unlink()
        assert told() == [
            ("created", "seen/new"),
            ("modified", "seen/file"),
            ("moved", "seen/new", "seen/name"),
            ("deleted", "seen/file"),
        ]
        (seen / "name").write_text("more")
        (seen / "sub" / "unseen").write_text("x")
        assert told() == [("modified", "seen/name")]


def test_an_event_says_what_is_there(root: Path) -> None:
    """With the entry of a listing; a link is described as a link, wherever it leads."""
    watched = Watch(Workspace(str(root)), "seen", recursive=True)
    try:
        (root / "seen" / "ü").write_bytes(b"123")
        (root / "seen" / "out").symlink_to("/etc/passwd")
        (root / "seen" / os.fsdecode(b"\xff")).mkdir()
        first, second, third = watched.read()
        assert (first["path"], first["entry"]["size"]) == (str(root / "seen" / "ü"), 3)
        assert second["entry"]["type"] == "symlink"
        assert third["path"].endswith("\ufffd")
    finally:
        watched.close()


def test_folders_below(root: Path) -> None:
    """What is made in new folders is told, too, and what happens in one that was moved is told under its new name."""
    seen = root / "seen"
    with watching(Workspace(str(root)), recursive=True) as told:
        (seen / "sub" / "a").write_text("x")
        (seen / "new" / "deep").mkdir(parents=True)
        (seen / "new" / "deep" / "b").write_text("x")
        assert told() == [
            ("created", "seen/sub/a"),
            ("created", "seen/new"),
            ("created", "seen/new/deep"),
            ("created", "seen/new/deep/b"),
        ]
        (seen / "new").rename(seen / "other")
        (seen / "other" / "deep" / "c").write_text("x")
        assert told() == [("moved", "seen/new", "seen/other"), ("created", "seen/other/deep/c")]
        (seen / "other").rename(root / "away")
        assert told() == [("deleted", "seen/other")]
        (root / "away" / "deep" / "d").write_text("x")
        (root / "away").rename(seen / "back")
        assert ("created", "seen/back/deep/d") in told()
        (seen / "back" / "deep" / "e").write_text("x")
        assert told() == [("created", "seen/back/deep/e")]


def test_what_the_box_itself_writes(root: Path) -> None:
    """A file that takes its place in one step is created, or modified; what it is called until then is not told."""
    workspace = Workspace(str(root))
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("folder/one"))
    with watching(workspace, recursive=True) as told:
        for name in ("new", "file"):
            with workspace.writing(f"seen/{name}") as file:
                file.write(b"content")
        with workspace.filling("seen/unpacked") as folder:
            unpack(io.BytesIO(made.getvalue()), folder)
        workspace.remove("seen/sub")
        assert told() == [
            ("created", "seen/new"),
            ("modified", "seen/file"),
            ("created", "seen/unpacked"),
            ("created", "seen/unpacked/folder"),
            ("created", "seen/unpacked/folder/one"),
            ("deleted", "seen/sub"),
        ]


def test_one_file(root: Path) -> None:
    """It goes on to be watched when programs put another in its place; its neighbours are not told."""
    seen = root / "seen"
    with watching(Workspace(str(root)), "seen/file") as told:
        (seen / "file").write_text("y")
        (seen / "neighbour").write_text("y")
        assert told() == [("modified", "seen/file")]
        (seen / "neighbour").rename(seen / "file")
        assert told() == [("moved", "seen/neighbour", "seen/file")]
        (seen / "file").unlink()
        (seen / "file").write_text("z")
        assert told() == [("deleted", "seen/file"), ("created", "seen/file")]


@pytest.mark.parametrize("path", ["seen", "seen/file"])
def test_the_folder_itself_goes(root: Path, path: str) -> None:
    """That is the last that is told."""
    watched = Watch(Workspace(str(root)), path, recursive=True)
    try:
        shutil.rmtree(root / "seen")
        events = watched.read()
        assert (events[-1]["event"], events[-1]["path"]) == ("deleted", str(root / "seen"))
        assert watched.over
    finally:
        watched.close()


def test_more_than_the_kernel_keeps(root: Path) -> None:
    """Too many changes at once are told as an overflow, after those that were kept."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with watching(Workspace(str(root))) as told:
        for number in range(most // 2 + 10):
            os.mkdir(root / "seen" / str(number))
            os.rmdir(root / "seen" / str(number))
        assert told()[-1] == ("overflow",)


def test_what_cannot_be_watched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing there, a place outside, a link out, too many folders."""
    workspace = Workspace(str(root))
    (root / "link").symlink_to("/etc")
    with pytest.raises(MissingFile, match="no 'nothing'"):
        Watch(workspace, "nothing", recursive=False)
    with pytest.raises(OutsideWorkspace):
        Watch(workspace, "/etc", recursive=False)
    with pytest.raises(WorkspaceError, match="out of the workspace"):
        Watch(workspace, "link", recursive=False)
    monkeypatch.setattr(watch, "FOLDERS_MAX", 1)
    with pytest.raises(WorkspaceError, match="more than 1 folders"):
        Watch(workspace, "seen", recursive=True)
    with watching(workspace, recursive=False) as told:
        (root / "seen" / "more").mkdir()
        assert told() == [("created", "seen/more")]


def test_a_host_that_allows_no_more(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting; nothing stays open."""
    monkeypatch.setitem(inotify.CURES, errno.ENOENT, "the cure")
    queue = inotify.Inotify()
    with pytest.raises(WorkspaceError, match="the cure"):
        queue.add(-1)
    queue.close()
    assert {"fs.inotify.max_user_instances", "fs.inotify.max_user_watches"} <= {
        cure.split()[-1] for cure in inotify.CURES.values()
    }


def test_folders_that_become_too_many(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch goes on with what it has, and says that there is more than it tells."""
    with watching(Workspace(str(root)), recursive=True) as told:
        monkeypatch.setattr(watch, "FOLDERS_MAX", 2)
        (root / "seen" / "more").mkdir()
        assert told() == [("created", "seen/more"), ("overflow",)]
        (root / "seen" / "sub" / "file").write_text("x")
        assert told() == [("created", "seen/sub/file")]
