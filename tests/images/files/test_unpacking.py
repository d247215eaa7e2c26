"""Folders as tar streams and back, without a container: all of an archive or nothing, and never anything beside it."""

from __future__ import annotations

import errno
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_server.files.packing import DEPTH_MAX, check, pack
from sandbox_server.files.tar_reader import EXTENDED_MAX, BrokenArchive
from sandbox_server.files.unpacking import unpack
from sandbox_server.files.workspace import Workspace, WorkspaceError

LONG = "n" * 200


def put(root: Path, path: str, archive: bytes) -> None:
    """Unpack an archive into a folder of the workspace."""
    with Workspace(str(root)).filling(path) as folder:
        unpack(io.BytesIO(archive), folder)


def got(root: Path, path: str) -> bytes:
    """Pack a folder of the workspace."""
    with Workspace(str(root)).folder(path) as folder:
        return b"".join(pack(folder.descriptor))


def tree(root: Path) -> dict[str, object]:
    """Describe all that is in a folder."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        else:
            found[name] = ("folder",) if path.is_dir() else (path.read_bytes(), oct(path.stat().st_mode & 0o777))
    return found


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Make an archive with the standard library, which puts into it whatever it is told."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as out:
        for member, content in members:
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return made.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """Make the header of a member."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, target, 0o644
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a workspace, next to a folder that it must not reach."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_a_folder_comes_back_as_it_went(root: Path) -> None:
    """Contents, modes, times, links and every kind of name; pipes are left out."""
    source = root / "source"
    (source / "sub" / "ü é" / LONG).mkdir(parents=True)
    (source / "sub" / "ü é" / LONG / LONG).write_bytes(bytes(range(256)) * 9000)
    (source / os.fsdecode(b"not utf-8 \xff")).write_bytes(b"x")
    (source / "run.sh").write_bytes(b"echo")
    (source / "run.sh").chmod(0o750)
    os.utime(source / "run.sh", (1_000_000_000, 1_000_000_000))
    (source / "empty").write_bytes(b"")
    (source / "inside").symlink_to("sub/" + LONG)
    (source / "outside").symlink_to("/etc/passwd")
    expected = tree(source)
    os.mkfifo(source / "pipe")
    put(root, "copy/of/it", got(root, "source"))
    assert tree(root / "copy" / "of" / "it") == expected
    assert (root / "copy" / "of" / "it" / "run.sh").stat().st_mtime == 1_000_000_000
    assert sorted(os.listdir(root)) == ["copy", "source"]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_archives_of_other_programs(root: Path, form: int) -> None:
    """Both ways to write long names, a leading `./`, hard links, members twice, and zeros after the end."""
    made = archive(
        (member(".", tarfile.DIRTYPE), b""),
        (member(f"./{LONG}/{LONG}"), b"deep"),
        (member(f"{LONG}/link", tarfile.SYMTYPE, LONG), b""),
        (member("twice"), b"first"),
        (member("twice"), b"second"),
        (member("hard", tarfile.LNKTYPE, f"./{LONG}/{LONG}"), b""),
        form=form,
    )
    put(root, "new", made + bytes(100_000))
    assert (root / "new" / LONG / "link").read_bytes() == b"deep" == (root / "new" / "hard").read_bytes()
    assert (root / "new" / "twice").read_bytes() == b"second"


def test_an_archive_joins_what_is_there(root: Path) -> None:
    """Folders are joined, files and links replaced, and what has another name stays."""
    (root / "there" / "sub").mkdir(parents=True)
    (root / "there" / "sub" / "stays").write_text("stays")
    (root / "there" / "sub" / "goes").write_text("old")
    (root / "there" / "link").symlink_to("../../outside")
    made = archive((member("sub/goes"), b"new"), (member("link"), b"a file"), (member("more/x"), b"x"))
    put(root, "there", made)
    assert tree(root / "there") == {
        "link": (b"a file", "0o644"),
        "more": ("folder",),
        "more/x": (b"x", "0o644"),
        "sub": ("folder",),
        "sub/goes": (b"new", "0o644"),
        "sub/stays": (b"stays", "0o644"),
    }
    put(root, ".", archive((member("at the top"), b"")))
    assert sorted(os.listdir(root)) == ["at the top", "there"]


def test_nothing_changes_where_kinds_differ(root: Path) -> None:
    """A folder never replaces a file or a link, nor a file a folder, and then nothing else of the archive comes."""
    (root / "file").write_text("x")
    (root / "link").symlink_to("../outside")
    (root / "folder").mkdir()
    before = tree(root)
    for name in ("file/x", "link/x", "folder"):
        with pytest.raises(WorkspaceError, match="remove it first"):
            put(root, ".", archive((member("first"), b"1"), (member(name), b"2")))
    with pytest.raises(WorkspaceError, match="no folder"):
        put(root, "file", archive())
    assert tree(root) == before
    assert os.listdir(root.parent / "outside") == []


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([member("../out")], "leads out"),
        ([member("a/../../out")], "leads out"),
        ([member("/etc/out")], "leads out"),
        ([member("l", tarfile.SYMTYPE, "../../outside"), member("l/out")], "no folder"),
        ([member("l", tarfile.SYMTYPE, "/tmp"), member("l", tarfile.DIRTYPE), member("l/out")], "no folder"),
        ([member("h", tarfile.LNKTYPE, "../../outside/secret")], "leads out"),
        ([member("device", tarfile.CHRTYPE)], "device or a pipe"),
        ([member("pipe", tarfile.FIFOTYPE)], "device or a pipe"),
        ([member("/".join("d" * (DEPTH_MAX + 1)))], "deep"),
        ([member("sparse", tarfile.GNUTYPE_SPARSE)], "sparse"),
    ],
)
def test_hostile_archives(root: Path, bad: list[tarfile.TarInfo], words: str) -> None:
    """Nothing of an archive leads out of its folder, by whatever way, and nothing of a bad one stays."""
    made = archive((member("good"), b"1"), *((one, b"") for one in bad))
    with pytest.raises(BrokenArchive, match=words):
        put(root, "target", made)
    assert os.listdir(root) == [] and os.listdir(root.parent / "outside") == []


def test_a_header_of_any_length_is_not_held(root: Path) -> None:
    """A name as long as a disk would fill the memory of the box."""
    header = member("x", tarfile.GNUTYPE_LONGNAME)
    header.size = EXTENDED_MAX + 1
    with pytest.raises(BrokenArchive, match="are the most"):
        put(root, "target", header.tobuf(tarfile.GNU_FORMAT))


def _cut(data: bytes) -> bytes:
    return data[:-1024]


def _damaged(data: bytes) -> bytes:
    return data[:1024] + b"\xff" * 512 + data[1536:]


@pytest.mark.parametrize("harm", [_cut, _damaged, lambda data: b"", lambda data: b"no archive" * 100])
def test_broken_archives(root: Path, harm: Callable[[bytes], bytes]) -> None:
    """What is cut off or damaged anywhere is not taken for a shorter archive."""
    (root / "source").mkdir()
    for name in "abc":
        (root / "source" / name).write_bytes(b"x" * 100)
    with pytest.raises(BrokenArchive):
        put(root, "target", harm(got(root, "source")))
    assert os.listdir(root) == ["source"]


@given(st.binary(max_size=4096))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever comes is unpacked, or refused in our words."""
    root = tmp_path_factory.mktemp("any")
    try:
        put(root, "target", data)
    except (BrokenArchive, WorkspaceError):
        assert os.listdir(root) == []
    finally:
        shutil.rmtree(root)


def test_a_full_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said of the path, and nothing stays."""

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    made = archive((member("a"), b"1"))
    monkeypatch.setattr("os.utime", full)
    with pytest.raises(WorkspaceError, match="disk of the sandbox is full"):
        put(root, "target", made)
    assert os.listdir(root) == []


def test_folders_too_deep_to_pack(root: Path) -> None:
    """It is said before the stream begins."""
    (root / "/".join("d" * (DEPTH_MAX + 1))).mkdir(parents=True)
    with Workspace(str(root)).folder("d") as folder, pytest.raises(WorkspaceError, match="folders deep"):
        check(folder.descriptor, folder.path)
    assert "d" in os.listdir(root)


def test_a_file_that_shrinks_tears_the_stream(root: Path) -> None:
    """What was promised and is gone ends the stream; what was appended meanwhile is not in it."""
    (root / "folder").mkdir()
    (root / "folder" / "big").write_bytes(b"x" * (3 << 20))
    with Workspace(str(root)).folder("folder") as folder:
        pieces = pack(folder.descriptor)
        next(pieces)
        os.truncate(root / "folder" / "big", 1 << 20)
        with pytest.raises(ConnectionAbortedError, match="shorter"):
            b"".join(pieces)
