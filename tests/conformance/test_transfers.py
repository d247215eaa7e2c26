"""Whole folders, changes and links through `box.fs`, on every sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from driving import Driven, said

from agentscope_runtime.sandbox.errors import FileError, FileNotFound, InvalidRequest

pytestmark = pytest.mark.docker


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of this machine with what folders have."""
    (tmp_path / "project" / "sub ü").mkdir(parents=True)
    (tmp_path / "project" / "sub ü" / "data").write_bytes(os.urandom(3 << 20))
    (tmp_path / "project" / "empty").write_bytes(b"")
    (tmp_path / "project" / "run.sh").write_text("echo 1")
    (tmp_path / "project" / "run.sh").chmod(0o755)
    (tmp_path / "project" / "link").symlink_to("sub ü/data")
    return tmp_path / "project"


@pytest.fixture
def person() -> Iterator[httpx.Client]:
    """Somebody without a key."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


def test_folders_go_up_and_come_down(box: Driven, folder: str, project: Path, tmp_path: Path) -> None:
    """As they are, links included; a second time they join what is there."""
    assert box.fs.upload(project, f"{folder}/p")["path"] == f"/workspace/{folder}/p"
    assert said(box.run_shell_command(f"cd {folder}/p && cmp link 'sub ü/data' && echo more > more")) == ""
    for _ in range(2):
        assert box.fs.download(f"{folder}/p", tmp_path / "back") == tmp_path / "back"
    names = sorted(str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*"))
    assert names == ["empty", "link", "more", "run.sh", "sub ü", "sub ü/data"]
    assert (tmp_path / "back" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "back" / "link").read_bytes() == (project / "sub ü" / "data").read_bytes()
    assert box.fs.upload(project / "empty", f"{folder}/")["path"] == f"/workspace/{folder}/empty"
    assert box.fs.download(f"{folder}/p/more", tmp_path / "one").read_text() == "more\n"


def test_folders_that_cannot_be_transferred(box: Driven, folder: str, project: Path, tmp_path: Path) -> None:
    """Each has its class and names the file; nothing is left half-way on either side."""
    box.fs.write(f"{folder}/file", "x")
    box.run_shell_command(f"cd {folder}; mkdir closed out; echo x > closed/file; chmod 0 closed/file; ln -s /etc out/l")
    with pytest.raises(FileError, match="closed/file"):
        box.fs.download(f"{folder}/closed", tmp_path / "closed")
    with pytest.raises(FileError, match="'l' is a link"):
        box.fs.download(f"{folder}/out", tmp_path / "out")
    with pytest.raises(FileNotFound, match="none"):
        box.fs.download(f"{folder}/none", tmp_path / "none")
    with pytest.raises(FileError, match="file"):
        box.fs.upload(project, f"{folder}/file")
    with pytest.raises(InvalidRequest, match="workspace"):
        box.fs.upload(project, "../out")
    with pytest.raises(FileError, match="missing"):
        box.fs.upload(tmp_path / "missing", f"{folder}/missing")
    assert os.listdir(tmp_path) == ["project"]
    assert {entry["name"] for entry in box.fs.list(folder)} == {"closed", "file", "out"}
    assert box.fs.download(f"{folder}/out", tmp_path / "out", outside_links="skip") == tmp_path / "out"


def test_changes_are_told(box: Driven, folder: str) -> None:
    """Whoever makes them, in the order in which they happen; until the block, or the time, ends."""
    with box.fs.watch(folder, recursive=True) as changes:
        seen = iter(changes)
        box.fs.write(f"{folder}/by-fs", "x")
        change = next(seen)
        assert (change.event, change.path) == ("created", f"/workspace/{folder}/by-fs")
        box.run_shell_command(f"mv {folder}/by-fs {folder}/ü")
        change = next(seen)
        assert (change.event, change.path) == ("moved", f"/workspace/{folder}/ü")
        assert (change.moved_from, change.entry["size"]) == (f"/workspace/{folder}/by-fs", 1)
        box.fs.write(f"{folder}/ü", "xy")
        assert next(seen).event == "modified"
        box.fs.remove(f"{folder}/ü")
        assert next(seen).event == "deleted"
    assert list(box.fs.watch(folder, timeout=0.2)) == []
    with pytest.raises(FileNotFound, match="none"):
        list(box.fs.watch(f"{folder}/none", timeout=0.2))


def test_links_for_people(box: Driven, folder: str, person: httpx.Client) -> None:
    """A download and an upload without a key; each link opens what it was made for."""
    box.fs.write(f"{folder}/out.txt", "for you")
    down = box.fs.get_download_url(f"{folder}/out.txt", expires_in=60)
    answer = person.get(down)
    assert answer.text == "for you" and answer.headers["Content-Disposition"].startswith("attachment")
    up = box.fs.get_upload_url(f"{folder}/in.txt", expires_in=60)
    assert person.put(up, content="for me").is_success
    assert box.fs.read(f"{folder}/in.txt") == "for me"
    assert person.put(down, content="x").status_code == 422
    assert person.get(down.replace("/file/", "/file/x")).status_code == 401
    with pytest.raises(FileNotFound, match="none"):
        box.fs.get_download_url(f"{folder}/none")


def test_one_entry(box: Driven, folder: str) -> None:
    """What a listing says of a file is known without one."""
    written = box.fs.write(f"{folder}/file", "123")
    assert box.fs.stat(f"{folder}/file") == written
    assert box.fs.stat(folder)["type"] == "dir"
    with pytest.raises(FileNotFound, match="none"):
        box.fs.stat(f"{folder}/none")
