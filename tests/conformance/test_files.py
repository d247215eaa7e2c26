"""The workspace through `box.fs`, on every sandbox."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from driving import Driven, said

from agentscope_runtime.sandbox.errors import FileError, FileNotFound, InvalidRequest

pytestmark = pytest.mark.docker


def test_what_is_written_is_read(box: Driven, folder: str) -> None:
    """Text, bytes and streams are the same when they come back, and the entry tells their size."""
    data = os.urandom(3 << 20)
    assert box.fs.write(f"{folder}/a/text ü.txt", "grüße 🐍")["size"] == len("grüße 🐍".encode())
    entry = box.fs.write(f"{folder}/bytes", data)
    assert (entry["path"], entry["type"], entry["size"]) == (f"/workspace/{folder}/bytes", "file", len(data))
    assert box.fs.read(f"{folder}/a/text ü.txt") == "grüße 🐍"
    assert box.fs.read(f"{folder}/bytes", "bytes") == data
    with box.fs.read(f"{folder}/bytes", "stream", chunk_size=1 << 16) as chunks:
        assert b"".join(chunks) == data


def test_code_and_fs_see_the_same(box: Driven, folder: str) -> None:
    """A file written by either is there for the other at once, under the same path."""
    box.fs.write(f"{folder}/in", "from fs")
    assert said(box.run_shell_command(f"cat {folder}/in; printf back > {folder}/out")) == "from fs"
    assert box.fs.read(f"/workspace/{folder}/out") == "back"


def test_folders_and_moves(box: Driven, folder: str) -> None:
    """Folders are made, listed to a depth, moved and removed with all in them."""
    assert (box.fs.mkdir(f"{folder}/x/y"), box.fs.mkdir(f"{folder}/x/y")) == (True, False)
    many = [{"path": f"{folder}/x/{name}", "data": name} for name in ("b", "a")]
    assert [entry["name"] for entry in box.fs.write_many(many)] == ["b", "a"]
    assert [entry["name"] for entry in box.fs.list(f"{folder}/x")] == ["a", "b", "y"]
    assert len(box.fs.list(folder)) == 1 and len(box.fs.list(folder, depth=2)) == 4
    assert box.fs.move(f"{folder}/x", f"{folder}/z")["path"] == f"/workspace/{folder}/z"
    assert (box.fs.exists(f"{folder}/x"), box.fs.exists(f"{folder}/z/a")) == (False, True)
    box.fs.remove(f"{folder}/z")
    box.fs.remove(f"{folder}/z")
    assert box.fs.exists(f"{folder}/z") is False


def test_what_cannot_be_is_refused(box: Driven, folder: str) -> None:
    """Each wrong use has its class, and the message names the path."""
    with pytest.raises(FileNotFound, match=f"{folder}/none"):
        box.fs.read(f"{folder}/none")
    with pytest.raises(FileNotFound, match="none"):
        box.fs.list(f"{folder}/none")
    with pytest.raises(FileNotFound, match="none"):
        box.fs.move(f"{folder}/none", f"{folder}/there")
    with pytest.raises(FileError, match="folder"):
        box.fs.write(folder, "x")
    box.fs.write(f"{folder}/not-text", b"\xff\xfe")
    with pytest.raises(FileError, match="UTF-8"):
        box.fs.read(f"{folder}/not-text")
    with pytest.raises(FileError, match="workspace"):
        box.fs.remove("/workspace")
    with pytest.raises(InvalidRequest):
        box.fs.list(folder, depth=0)


@pytest.mark.parametrize("path", ["/etc/passwd", "../etc/passwd", "/workspace/../etc/passwd", "/workspace-evil/x"])
def test_paths_stay_inside(box: Driven, path: str) -> None:
    """No spelling of a path leads out of the workspace."""
    with pytest.raises(InvalidRequest, match="workspace"):
        box.fs.read(path)
    with pytest.raises(InvalidRequest, match="workspace"):
        box.fs.write(path, "x")


def test_links_stay_inside(box: Driven, folder: str) -> None:
    """A link within the workspace is followed, one that leads out of it is not."""
    script = (
        f"cd {folder}; echo in > target; ln -s target good; ln -s /etc/passwd bad; ln -s /etc badfolder; ln -s ../.. up"
    )
    assert box.run_shell_command(script)["isError"] is False
    assert box.fs.read(f"{folder}/good") == "in\n"
    for path in ("bad", "badfolder/passwd", "up/etc/passwd"):
        with pytest.raises((FileError, InvalidRequest), match="workspace"):
            box.fs.read(f"{folder}/{path}")
    assert {entry["type"] for entry in box.fs.list(folder) if entry["name"] != "target"} == {"symlink"}


def test_permissions_are_told(box: Driven, folder: str) -> None:
    """What the user's code closed to itself is a typed error, not a crash."""
    box.run_shell_command(f"mkdir {folder}/closed; echo x > {folder}/closed/file; chmod 0 {folder}/closed")
    with pytest.raises(FileError, match="closed"):
        box.fs.read(f"{folder}/closed/file")
    box.run_shell_command(f"chmod 700 {folder}/closed")
    assert box.fs.read(f"{folder}/closed/file") == "x\n"


def test_transfers_at_once_never_mix(box: Driven, folder: str) -> None:
    """Eight files of a few MiB go there and back at once, each whole."""
    contents = [bytes([number]) * (2 << 20) + os.urandom(100) for number in range(8)]

    def there_and_back(number: int) -> bool:
        box.fs.write(f"{folder}/{number}", contents[number])
        return bool(box.fs.read(f"{folder}/{number}", "bytes") == contents[number])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(there_and_back, range(8)))


def test_a_local_file_is_sent(box: Driven, folder: str, tmp_path: Path) -> None:
    """A file of this machine arrives whole."""
    (tmp_path / "local").write_bytes(os.urandom(5 << 20))
    box.fs.write_from_path(f"{folder}/sent", tmp_path / "local")
    digest = hashlib.sha256((tmp_path / "local").read_bytes()).hexdigest()
    assert said(box.run_shell_command(f"sha256sum < {folder}/sent")).split()[0] == digest
