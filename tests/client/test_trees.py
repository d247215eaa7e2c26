"""Folders of this machine as tar streams and back; what comes from a sandbox stays in its folder."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from agentscope_runtime.sandbox.arriving import ArrivingFile, ArrivingFolder
from agentscope_runtime.sandbox.errors import FileError, InvalidRequest
from agentscope_runtime.sandbox.trees import pack
from agentscope_runtime.sandbox.types import OutsideLinks


def arrive(place: Path, stream: bytes, outside_links: OutsideLinks = "refuse") -> None:
    """Let a stream arrive in pieces."""
    folder = ArrivingFolder(place, outside_links)
    try:
        for begin in range(0, len(stream), 10_000):
            folder.feed(stream[begin : begin + 10_000])
        folder.keep()
    finally:
        folder.drop()


def stream(*members: tuple[str, bytes, str]) -> bytes:
    """Make a stream of headers: name, kind, target."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as out:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            out.addfile(member)
    return made.getvalue()


LINK, FILE, FOLDER = tarfile.SYMTYPE, tarfile.REGTYPE, tarfile.DIRTYPE


def test_a_folder_comes_back_as_it_went(tmp_path: Path) -> None:
    """Contents, modes, links and names; what is no file is left out."""
    source = tmp_path / "source"
    (source / "ü é" / ("n" * 200)).mkdir(parents=True)
    (source / "ü é" / ("n" * 200) / "big").write_bytes(bytes(range(256)) * 10_000)
    (source / "run.sh").write_bytes(b"echo")
    (source / "run.sh").chmod(0o755)
    (source / "ü é" / "up").symlink_to("../run.sh")
    os.mkfifo(source / "pipe")
    arrive(tmp_path / "deep" / "copy", b"".join(pack(source)))
    copy = tmp_path / "deep" / "copy"
    assert sorted(path.name for path in copy.rglob("*")) == ["big", "n" * 200, "run.sh", "up", "ü é"]
    assert (copy / "ü é" / ("n" * 200) / "big").read_bytes() == bytes(range(256)) * 10_000
    assert (copy / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (copy / "ü é" / "up").readlink() == Path("../run.sh")
    assert os.listdir(tmp_path / "deep") == ["copy"]


def test_a_folder_joins_what_is_there(tmp_path: Path) -> None:
    """Folders are joined and files replaced; where kinds differ nothing is."""
    place = tmp_path / "place"
    (place / "sub").mkdir(parents=True)
    (place / "sub" / "stays").write_text("stays")
    (place / "file").write_text("old")
    arrive(place, stream(("sub", FOLDER, ""), ("sub/new", FILE, ""), ("file", FILE, "")))
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*")) == ["file", "sub", "sub/new", "sub/stays"]
    assert (place / "file").read_text() == ""
    for name in ("sub", "file/x"):
        with pytest.raises(FileError, match="remove it first"):
            arrive(place, stream(("more", FILE, ""), (name, FILE, "")))
    assert not (place / "more").exists()
    with pytest.raises(FileError, match="no folder"):
        arrive(place / "file", stream())
    assert os.listdir(tmp_path) == ["place"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "a/../../x", "a/..", "..\\x"])
def test_links_out_of_the_folder(tmp_path: Path, target: str) -> None:
    """They are refused by name, or left out on demand; so is `..` after a name, which can be a link."""
    made = stream(("here", LINK, target), ("file", FILE, ""))
    with pytest.raises(FileError, match=r"'here' is a link to .* outside_links='skip'"):
        arrive(tmp_path / "place", made)
    assert os.listdir(tmp_path) == []
    arrive(tmp_path / "place", made, "skip")
    assert os.listdir(tmp_path / "place") == ["file"]


@pytest.mark.parametrize(
    "members",
    [
        [("../out", FILE, "")],
        [("/out", FILE, "")],
        [("link", LINK, "."), ("link/out", FILE, "")],
        [("link", LINK, "."), ("link", FILE, "")],
        [("pipe", tarfile.FIFOTYPE, "")],
        [("hard", tarfile.LNKTYPE, "/etc/passwd")],
    ],
)
def test_what_no_honest_sandbox_sends(tmp_path: Path, members: list[tuple[str, bytes, str]]) -> None:
    """Nothing leads out of the folder or through a link, and nothing of it stays."""
    with pytest.raises(FileError, match="the sandbox sent"):
        arrive(tmp_path / "place", stream(("good", FILE, ""), *members))
    assert os.listdir(tmp_path) == []


def test_a_broken_stream(tmp_path: Path) -> None:
    """It is told once all of it is there, and also when much is still to come."""
    with pytest.raises(FileError, match="no archive"):
        arrive(tmp_path / "place", b"no archive" * 1_000_000)
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_read_here(tmp_path: Path) -> None:
    """The message names the file; a missing folder is one, too."""
    with pytest.raises(FileError, match=r"nothing' cannot be read: No such file"):
        b"".join(pack(tmp_path / "nothing"))


def test_a_file_that_does_not_come_whole(tmp_path: Path) -> None:
    """The old one stays, and nothing beside it."""
    place = tmp_path / "new" / "file"
    first = ArrivingFile(place)
    first.feed(b"first")
    first.keep()
    second = ArrivingFile(place)
    second.feed(b"sec")
    second.drop()
    assert place.read_bytes() == b"first" and os.listdir(place.parent) == ["file"]
    with pytest.raises(FileError, match="could not write"):
        ArrivingFile(place / "below")


def test_a_wrong_choice(tmp_path: Path) -> None:
    """What the argument can be is in the message."""
    with pytest.raises(InvalidRequest, match="'refuse' or 'skip'"):
        arrive(tmp_path / "place", stream(), "follow")  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []
