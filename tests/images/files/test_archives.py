"""Whole folders into and out of a real box, and parts of files."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from collections.abc import Iterator

import httpx
import pytest
from managers import eventually
from real_box import RealBox, stdout

pytestmark = pytest.mark.docker

MIB = 1 << 20


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def get(box: RealBox, path: str) -> httpx.Response:
    """Ask for a folder."""
    return box.http.get("/files/archive", params={"path": path}, timeout=60)


def put(box: RealBox, path: str, content: bytes | Iterator[bytes]) -> httpx.Response:
    """Send a folder."""
    return box.http.put("/files/archive", params={"path": path}, content=content, timeout=60)


def test_folders_both_ways(shared_box: RealBox) -> None:
    """What the user's code made comes as tar, and back as it was."""
    shared_box.shell(
        "mkdir -p src/sub; echo a > src/a; head -c 5000000 /dev/urandom > src/sub/big; ln -s /etc/passwd src/l"
    )
    answer = get(shared_box, "src")
    assert answer.headers["Content-Type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        assert archive.getnames() == ["a", "l", "sub", "sub/big"]
        assert archive.getmember("l").linkname == "/etc/passwd"
    assert put(shared_box, "copy", answer.content).json()["path"] == "/workspace/copy"
    assert stdout(shared_box.shell("diff -r --no-dereference src copy && stat -c %U copy/a")) == "agent\n"


def test_what_cannot_be_an_archive(shared_box: RealBox) -> None:
    """Each refusal has its code, and leaves nothing."""
    shared_box.shell("mkdir -p locked/in; echo x > file; echo x > locked/in/secret; chmod 0 locked/in/secret")
    before = stdout(shared_box.shell("ls -A"))
    assert problem(get(shared_box, "nothing")) == (404, "file_not_found")
    assert problem(get(shared_box, "file")) == (409, "file_error")
    refused = get(shared_box, "locked")
    assert problem(refused) == (409, "file_error")
    assert "/workspace/locked/in/secret" in refused.json()["detail"]
    assert problem(get(shared_box, "/etc")) == (422, "invalid_request")
    assert problem(put(shared_box, "new", b"no archive" * 1000)) == (422, "invalid_request")
    assert problem(put(shared_box, "file", b"")) == (409, "file_error")
    assert problem(put(shared_box, "../new", b"")) == (422, "invalid_request")
    assert stdout(shared_box.shell("ls -A")) == before


def test_an_upload_that_breaks_off(shared_box: RealBox) -> None:
    """Nothing of it stays, not even beside its place."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in "ab":
            header = tarfile.TarInfo(name)
            header.size = MIB
            archive.addfile(header, io.BytesIO(bytes(MIB)))

    def torn() -> Iterator[bytes]:
        yield made.getvalue()[: MIB + MIB // 2]
        raise ConnectionError("the caller went away")

    with pytest.raises(ConnectionError):
        put(shared_box, "broken", torn())
    eventually(lambda: "broken" not in stdout(shared_box.shell("ls -A")), 5, "the part is removed")


def test_many_uploads_that_stand_still_do_not_hold_others(shared_box: RealBox) -> None:
    """Threads that wait for archives are not those that read and write files."""
    sockets: list[socket.socket] = []
    try:
        for _ in range(8):
            sock = socket.create_connection((shared_box.host, 7000), timeout=10)
            sockets.append(sock)
            sock.sendall(
                b"PUT /files/archive?path=slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
                b"Authorization: Bearer " + shared_box.token.encode() + b"\r\n\r\n"
            )
        assert shared_box.http.put("/files/content", params={"path": "quick"}, content=b"x", timeout=5).is_success
    finally:
        for sock in sockets:
            sock.close()
    eventually(lambda: "slow" not in stdout(shared_box.shell("ls -A")), 5, "the parts are removed")


def test_readers_who_leave(fresh_box: RealBox) -> None:
    """The box ends what it did for them at once, keeps nothing open, and finds nothing of it worth a word."""
    if os.geteuid() != 0:
        pytest.skip("only root sees what processes of other users have open")
    fresh_box.shell("mkdir d; truncate -s 1G d/big")

    def open_files() -> int:
        (server,) = (row[1] for row in fresh_box.container.top()["Processes"] if "sandbox_server" in row[-1][:60])
        return len(os.listdir(f"/proc/{server}/fd"))

    before = open_files()
    for where in ("content?path=d/big", "archive?path=d", "watch?path=d"):
        for _ in range(20):
            with fresh_box.http.stream("GET", f"/files/{where}", timeout=10) as answer:
                assert answer.status_code == 200
                next(answer.iter_raw())
    eventually(lambda: open_files() <= before, 5, "everything is closed")
    assert b"Traceback" not in fresh_box.container.logs()


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=5-100", 206, b"56789"),
        ("bytes=0-", 200, b"0123456789"),
        ("bytes=1-2,4-5", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_ranges(shared_box: RealBox, asked: str, status: int, content: bytes) -> None:
    """A part of a file is what was asked for, and says which part it is; what we do not know is answered whole."""
    where = {"path": "digits"}
    shared_box.http.put("/files/content", params=where, content=b"0123456789")
    answer = shared_box.http.get("/files/content", params=where, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, content)
    if status == 206:
        begin = b"0123456789".index(content)
        assert answer.headers["Content-Range"] == f"bytes {begin}-{begin + len(content) - 1}/10"
    beyond = shared_box.http.get("/files/content", params=where, headers={"Range": "bytes=10-"})
    assert problem(beyond) == (416, "invalid_request")


def test_a_download_goes_on_only_where_the_file_is_the_same(shared_box: RealBox) -> None:
    """Who has a part of an older file gets the whole new one."""
    where = {"path": "changing"}
    shared_box.http.put("/files/content", params=where, content=b"old content")
    tag = shared_box.http.get("/files/content", params=where).headers["ETag"]
    headers = {"Range": "bytes=4-", "If-Range": tag}
    assert shared_box.http.get("/files/content", params=where, headers=headers).content == b"content"
    shared_box.http.put("/files/content", params=where, content=b"new content!")
    assert shared_box.http.get("/files/content", params=where, headers=headers).content == b"new content!"


def test_entries_of_one(shared_box: RealBox) -> None:
    """A file is described alone, too; links that stay inside are followed."""
    shared_box.shell("mkdir -p one; echo x > one/file; ln -s one/file to-one; ln -s /etc/passwd to-outside")
    entry = shared_box.http.get("/files/entry", params={"path": "to-one"}).json()
    assert (entry["path"], entry["type"], entry["size"]) == ("/workspace/one/file", "file", 2)
    assert problem(shared_box.http.get("/files/entry", params={"path": "none"})) == (404, "file_not_found")
    assert problem(shared_box.http.get("/files/entry", params={"path": "to-outside"})) == (409, "file_error")
