"""The files of a real box over HTTP: any size, any name, and never one outside of the workspace."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from real_box import RealBox, stderr, stdout

pytestmark = pytest.mark.docker

MIB = 1 << 20


def put(box: RealBox, path: str, content: bytes | Iterator[bytes]) -> dict[str, Any]:
    """Write a file and return its entry."""
    answer = box.http.put("/files/content", params={"path": path}, content=content, timeout=60)
    assert answer.status_code == 200, answer.text
    entry: dict[str, Any] = answer.json()
    return entry


def get(box: RealBox, path: str) -> httpx.Response:
    """Ask for a file."""
    return box.http.get("/files/content", params={"path": path}, timeout=60)


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def test_write_and_read(shared_box: RealBox) -> None:
    """What is written is read; the entry describes it; folders on the way are made."""
    entry = put(shared_box, "deep/er/a b ü.txt", b"content")
    assert entry["path"] == "/workspace/deep/er/a b ü.txt" and entry["name"] == "a b ü.txt"
    assert entry["type"] == "file" and entry["size"] == 7 and entry["mtime_ms"] > 1_600_000_000_000
    answer = get(shared_box, "/workspace/deep/er/a b ü.txt")
    assert answer.content == b"content" and answer.headers["Content-Length"] == "7"
    assert stdout(shared_box.shell("stat -c '%U %a' 'deep/er/a b ü.txt'")) == "agent 644\n"


def test_fifty_megabytes_both_ways(shared_box: RealBox) -> None:
    """There is no size cliff: streamed in without a length, and out again, bit for bit."""
    block = hashlib.sha256(b"seed").digest() * (MIB // 32)
    entry = put(shared_box, "big.bin", (block for _ in range(50)))
    assert entry["size"] == 50 * MIB
    digest = hashlib.sha256()
    with shared_box.http.stream("GET", "/files/content", params={"path": "big.bin"}, timeout=60) as answer:
        assert answer.headers["Content-Length"] == str(50 * MIB)
        for chunk in answer.iter_bytes():
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(block * 50).digest()
    shared_box.http.delete("/files", params={"path": "big.bin"})


def test_writing_replaces_in_one_step(shared_box: RealBox) -> None:
    """An upload that breaks off leaves the old file, and nothing else, behind; a replaced script stays executable."""
    put(shared_box, "step/run.sh", b"echo old")
    shared_box.shell("chmod 755 step/run.sh")

    def torn() -> Iterator[bytes]:
        yield b"x" * MIB
        raise ConnectionError("the caller went away")

    with pytest.raises(ConnectionError):
        put(shared_box, "step/run.sh", torn())
    with ThreadPoolExecutor(8) as pool:
        contents = [bytes([65 + n]) * MIB for n in range(8)]
        list(pool.map(lambda content: put(shared_box, "step/run.sh", content), contents))
    assert get(shared_box, "step/run.sh").content in contents
    assert stdout(shared_box.shell("ls -A step; stat -c %a step/run.sh")) == "run.sh\n755\n"


def test_entries(shared_box: RealBox) -> None:
    """A listing is sorted, says what each thing is, goes as deep as asked, and does not follow links."""
    shared_box.shell("mkdir -p list/sub/deep && touch list/sub/deep/f list/b && ln -s /etc list/a && mkfifo list/pipe")

    def listed(depth: int) -> list[tuple[str, str]]:
        answer = shared_box.http.get("/files/entries", params={"path": "list", "depth": depth})
        return [(entry["path"].removeprefix("/workspace/list/"), entry["type"]) for entry in answer.json()["entries"]]

    top = [("a", "symlink"), ("b", "file"), ("pipe", "other"), ("sub", "dir")]
    assert listed(1) == top
    assert listed(3) == [*top, ("sub/deep", "dir"), ("sub/deep/f", "file")]
    assert problem(shared_box.http.get("/files/entries", params={"path": "missing"})) == (404, "file_not_found")
    assert problem(shared_box.http.get("/files/entries", params={"path": "list/b"})) == (409, "file_error")
    assert problem(shared_box.http.get("/files/entries", params={"path": "list", "depth": "0"})) == (
        422,
        "invalid_request",
    )


def test_exists_make_move_remove(shared_box: RealBox) -> None:
    """The small verbs, and that the idempotent ones are."""
    http = shared_box.http

    def exists(path: str) -> bool:
        return bool(http.get("/files/exists", params={"path": path}).json()["exists"])

    assert http.post("/files/directories", json={"path": "verbs/new"}).json() == {"created": True}
    assert http.post("/files/directories", json={"path": "verbs/new"}).json() == {"created": False}
    put(shared_box, "verbs/one", b"1")
    moved = http.post("/files/move", json={"source": "verbs/one", "destination": "verbs/far/two"})
    assert moved.json()["path"] == "/workspace/verbs/far/two" and not exists("verbs/one") and exists("verbs/far/two")
    missing = http.post("/files/move", json={"source": "verbs/one", "destination": "verbs/three"})
    assert problem(missing) == (404, "file_not_found") and "verbs/one" in missing.json()["detail"]
    for _ in range(2):
        assert http.delete("/files", params={"path": "verbs"}).status_code == 204
    assert not exists("verbs")


def test_reading_what_cannot_be_read(shared_box: RealBox) -> None:
    """Missing things, folders, pipes and devices are refused at once, with the right code."""
    shared_box.shell(
        "mkdir -p odd/folder; mkfifo odd/pipe; ln -s missing odd/dangling; ln -s loop odd/loop; touch odd/file"
    )
    assert problem(get(shared_box, "odd/missing")) == (404, "file_not_found")
    assert problem(get(shared_box, "odd/dangling")) == (404, "file_not_found")
    for path in ("odd/folder", "odd/pipe", "odd/loop", "odd/file/below", "."):
        assert problem(get(shared_box, path)) == (409, "file_error"), path
    assert problem(shared_box.http.get("/files/content")) == (422, "invalid_request")
    assert problem(shared_box.http.put("/files/content", params={"path": "odd/folder"}, content=b"")) == (
        409,
        "file_error",
    )


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../etc/passwd", "a/../../etc/passwd", "/workspace/../run/box", "//run/box", "a\0b"]
)
def test_paths_outside_are_refused(shared_box: RealBox, path: str) -> None:
    """A path that leads out is a wrong argument, whatever the verb."""
    http, query = shared_box.http, {"path": path}
    for answer in (
        http.get("/files/content", params=query),
        http.put("/files/content", params=query, content=b"x"),
        http.get("/files/entries", params=query),
        http.get("/files/exists", params=query),
        http.delete("/files", params=query),
        http.post("/files/directories", json=query),
        http.post("/files/move", json={"source": path, "destination": "x"}),
        http.post("/files/move", json={"source": "x", "destination": path}),
    ):
        assert answer.status_code in (422, 404) and answer.json()["code"] in ("invalid_request", "file_not_found")
    assert problem(http.get("/files/content", params=query)) == (422, "invalid_request")


def test_links_out_are_refused(shared_box: RealBox) -> None:
    """No link, absolute, relative, chained or in the middle of a path, reaches the server's secrets or the system."""
    shared_box.shell(
        "mkdir -p links && cd links && ln -s /run/box abs && ln -s ../../run/box rel && ln -s abs chain && "
        "ln -s /etc/passwd file && ln -s / root && ln -s /workspace/../etc sly && ln -s /proc/self/root proc"
    )
    for path in (
        "abs/userland.mounts",
        "rel/userland.mounts",
        "chain/x",
        "file",
        "root/etc/passwd",
        "sly/passwd",
        "proc/etc/passwd",
    ):
        assert problem(get(shared_box, f"links/{path}")) == (409, "file_error"), path
        answer = shared_box.http.put("/files/content", params={"path": f"links/{path}"}, content=b"x")
        assert problem(answer) == (409, "file_error"), path
    assert problem(shared_box.http.get("/files/entries", params={"path": "links/root"})) == (409, "file_error")
    assert shared_box.http.delete("/files", params={"path": "links"}).status_code == 204
    assert stdout(shared_box.shell("head -c 5 /etc/passwd")) == "root:"


def test_links_inside_work(shared_box: RealBox) -> None:
    """Links that stay inside are followed for reading and writing, and are themselves moved and removed."""
    shared_box.shell(
        "mkdir -p in/real && echo content > in/real/f && ln -s /workspace/in/real in/abs && ln -s real/f in/rel"
    )
    assert get(shared_box, "in/abs/f").content == get(shared_box, "in/rel").content == b"content\n"
    assert put(shared_box, "in/rel", b"new")["path"] == "/workspace/in/real/f"
    assert get(shared_box, "in/real/f").content == b"new"
    assert shared_box.http.delete("/files", params={"path": "in/abs"}).status_code == 204
    assert get(shared_box, "in/real/f").content == b"new"


def test_links_that_change_while_we_look(fresh_box: RealBox) -> None:
    """Code that swaps a folder for a link as fast as it can never makes us read or write elsewhere."""
    fresh_box.shell(
        "mkdir -p race/safe && echo good > race/safe/userland.mounts && cd race && nohup bash -c '"
        "while :; do ln -sfn /run/box door; ln -sfn safe door; done' >/dev/null 2>&1 &"
    )
    seen = set()
    for _ in range(400):
        answer = get(fresh_box, "race/door/userland.mounts")
        seen.add(answer.content if answer.status_code == 200 else problem(answer))
        written = fresh_box.http.put("/files/content", params={"path": "race/door/planted"}, content=b"x")
        assert written.status_code in (200, 409, 404), written.text
    assert seen <= {b"good\n", (409, "file_error"), (404, "file_not_found")}
    assert "planted" not in fresh_box.outside("ls", "-A", "/run/box")


def test_the_workspace_itself_is_kept(shared_box: RealBox) -> None:
    """It can be neither removed nor moved nor replaced."""
    for path in (".", "/workspace", "a/.."):
        assert problem(shared_box.http.delete("/files", params={"path": path})) == (409, "file_error")
        moved = shared_box.http.post("/files/move", json={"source": path, "destination": "elsewhere"})
        assert problem(moved) == (409, "file_error")


def test_names_that_are_no_text(shared_box: RealBox) -> None:
    """A name of arbitrary bytes does not break a listing, and its folder can be removed."""
    assert stderr(shared_box.shell("mkdir bytes && touch bytes/$'\\xff\\xfe'")) == ""
    (entry,) = shared_box.http.get("/files/entries", params={"path": "bytes"}).json()["entries"]
    assert entry["name"] == "��"
    assert shared_box.http.delete("/files", params={"path": "bytes"}).status_code == 204


def test_a_name_that_the_disk_refuses(shared_box: RealBox) -> None:
    """What the file system does not take is a file error in its own words."""
    answer = shared_box.http.put("/files/content", params={"path": "n" * 256}, content=b"x")
    assert problem(answer) == (409, "file_error") and "too long" in answer.json()["detail"]
