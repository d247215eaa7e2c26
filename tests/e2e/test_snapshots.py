"""Workspaces kept as snapshots, and sandboxes that begin with them, on real containers."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Callable, Iterator

import pytest
from managers import Server

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import FileError, InvalidRequest, SnapshotNotFound, SnapshotRefused

pytestmark = pytest.mark.docker

MAKE = r"""
set -e
mkdir -p a/deep/er empty
printf 'hello' > a/deep/er/note.txt
printf '#!/bin/sh\necho run\n' > a/run.sh && chmod 750 a/run.sh
ln -s note.txt a/deep/er/link && ln -s /etc/passwd a/outside && ln -s nowhere a/dangling
ln a/run.sh a/hard
printf 'x' > 'ünï cödé 漢字 🎈' && printf 'y' > "$(printf 'not\377utf8')" && printf 'z' > "$(printf 'new\nline')"
printf 'long' > "$(printf 'n%.0s' $(seq 250))"
head -c 20000000 /dev/urandom > big
truncate -s 30000000 sparse && printf 'end' >> sparse
chmod 500 empty
touch -d '2001-02-03 04:05:06' a/run.sh
"""
LIST = (
    r"find . -mindepth 1 -printf '%P %y %m %l\n' | LC_ALL=C sort | cat -A; find . -type f -print0 | LC_ALL=C sort -z \
    | xargs -0 sha256sum; stat -c %Y a/run.sh"
)


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """A manager with two warm base sandboxes, and narrow bounds."""
    bounds = {"SNAPSHOT_MAX_BYTES": "80m", "SNAPSHOTS_PER_USER": "3"}
    return make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="2", **bounds).wait_ready()


@pytest.fixture
def service(server: Server) -> Iterator[SandboxService]:
    """A way to it."""
    with SandboxService(server.url, server.key) as made:
        yield made


def said(box: BaseSandbox, command: str) -> str:
    """Run a command that succeeds; return what it says."""
    result = box.run_shell_command(command)
    assert not result["isError"], result
    text: str = result["content"][0]["text"]
    return text


def test_a_workspace_comes_back_as_it_was(server: Server) -> None:
    """Names, contents, modes, times and links, none of them followed; a hard link has become a file of its own."""
    with BaseSandbox(base_url=server.url, bearer_token=server.key) as box:
        said(box, MAKE)
        before = said(box, LIST)
        kept = box.snapshot("whole")
        assert box.list_snapshots() == [kept]
        assert kept["name"] == "whole" and kept["size"] > 50_000_000
        said(box, "chmod 700 empty && rm -rf a big")
    with BaseSandbox(base_url=server.url, bearer_token=server.key, from_snapshot="whole") as box:
        assert said(box, LIST) == before.replace("empty d 500", "empty d 700")
        assert said(box, "stat -c %h a/run.sh a/hard") == "1\n1\n"
        assert said(box, "touch empty/new a/new && ls a/new") == "a/new\n"
        box.delete_snapshot("whole")
        assert box.list_snapshots() == []


def test_a_fork_goes_its_own_way(service: SandboxService) -> None:
    """What is made after the snapshot stays where it is made, and the first connect is the one that fills."""
    (first,) = service.connect("first", "ann")
    first.fs.write("note.txt", "common")
    first.snapshot("fork")
    (second,) = service.connect("second", "ann", from_snapshot="fork")
    assert second.fs.read("note.txt") == "common"
    first.fs.write("note.txt", "of the first")
    second.fs.write("note.txt", "of the second")
    (again,) = service.connect("second", "ann", from_snapshot="fork")
    assert again.sandbox_id == second.sandbox_id
    assert [first.fs.read("note.txt"), again.fs.read("note.txt")] == ["of the first", "of the second"]
    with pytest.raises(InvalidRequest, match="holds sandboxes with from_snapshot: None"):
        service.connect("first", "ann", from_snapshot="fork")
    with pytest.raises(SnapshotNotFound, match="no snapshot 'fork' of user 'bob'"):
        service.connect("third", "bob", from_snapshot="fork")


def test_all_of_a_lease_begin_with_it(service: SandboxService) -> None:
    """Each with files of its own, or all with the same ones, and the one that joins later does not overwrite those."""
    (first,) = service.connect("first", "ann")
    first.fs.write("note.txt", "kept")
    first.snapshot("several")
    base, files = service.connect("own", "ann", ["base", "filesystem"], from_snapshot="several")
    files.fs.write("note.txt", "changed")
    assert [base.fs.read("note.txt"), files.fs.read("note.txt")] == ["kept", "changed"]
    service.release("own", "ann")
    (base,) = service.connect("shared", "ann", ["base"], from_snapshot="several", shared_workspace=True)
    base.fs.write("note.txt", "changed")
    base, files = service.connect("shared", "ann", ["base", "filesystem"])
    assert [base.fs.read("note.txt"), files.fs.read("note.txt")] == ["changed", "changed"]


def test_what_cannot_be_kept_is_refused_and_leaves_nothing(server: Server) -> None:
    """What is too large, too many, or cannot be read."""
    with BaseSandbox(base_url=server.url, bearer_token=server.key) as box:
        said(box, "truncate -s 10G hole")
        with pytest.raises(SnapshotRefused, match="more than 83886080 bytes"):
            box.snapshot("large")
        said(box, "rm hole && printf x > locked && chmod 0 locked")
        with pytest.raises(FileError, match="/workspace/locked"):
            box.snapshot("locked")
        said(box, "chmod 600 locked")
        for name in ("one", "two", "three", "one"):
            box.snapshot(name)
        with pytest.raises(SnapshotRefused, match="3 snapshots are all that a user may have"):
            box.snapshot("four")
        names = [each["name"] for each in box.list_snapshots()]
        assert names == ["one", "three", "two"]
        for name in names:
            box.delete_snapshot(name)
    left = [path for path in (server.state_dir / "snapshots").glob("*/*") if path.suffix in (".tar", ".part")]
    assert [path for path in left if "large" in path.name or "locked" in path.name] == []


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """Make a header of an archive."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


HOSTILE = {
    "a path upwards": [member("fine"), member("../outside")],
    "a way through a link": [member("fine"), member("way", tarfile.SYMTYPE, "/etc"), member("way/outside")],
}


@pytest.mark.parametrize("what", [*HOSTILE, "half of one"])
def test_what_is_no_good_archive_is_refused_by_the_box(service: SandboxService, server: Server, what: str) -> None:
    """Whoever put it into the storage: the session gets an error, not half of it, and the manager opens none of it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for each in HOSTILE.get(what, [member("fine")]):
            archive.addfile(each)
    content = made.getvalue()[:512] if what == "half of one" else made.getvalue()
    (box,) = service.connect("maker", "eve")
    box.snapshot("evil")
    (place,) = (server.state_dir / "snapshots").glob("*/evil.tar")
    place.write_bytes(content)
    with pytest.raises(InvalidRequest, match="the archive cannot be unpacked"):
        service.connect("victim", "eve", from_snapshot="evil")
    (box,) = service.connect("victim", "eve")
    assert box.fs.list(".") == []


def test_what_is_kept_is_the_managers_users_alone(service: SandboxService, server: Server) -> None:
    """Nobody else on the machine can look into it."""
    (box,) = service.connect("first", "zoe")
    box.snapshot("mine")
    (file,) = (server.state_dir / "snapshots").glob("*/mine.tar")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, file.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]
