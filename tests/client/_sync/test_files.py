# Made by scripts/unasync.py from tests/client/_async/test_files.py. Do not edit: change that one and run `make unasync`.
"""The workspace's files: read and written whole, or streamed."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from scripted_manager import KEY, ScriptedManager, in_pieces

from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import FileError, FileNotFound, InvalidRequest, ManagerUnreachable


def base(manager: ScriptedManager) -> BaseSandbox:
    """Make a base sandbox of this manager."""
    return BaseSandbox(base_url=manager.url, bearer_token=KEY)


def test_text_and_bytes_come_back_as_they_were(manager: ScriptedManager) -> None:
    """Text is UTF-8, bytes are bytes, and the entry says what was written."""
    with base(manager) as box:
        entry = box.fs.write("notes/grüße & more.txt", "schön")
        assert (entry["type"], entry["size"]) == ("file", 6)
        assert box.fs.read("notes/grüße & more.txt") == "schön"
        box.fs.write("raw", bytearray(b"\x00\xff"), content_type="image/png")
        assert box.fs.read("raw", "bytes") == b"\x00\xff"
    assert [seen.headers["Content-Type"] for seen in manager.seen if seen.method == "PUT"] == [
        "application/octet-stream",
        "image/png",
    ]


def test_what_is_no_text_says_how_to_read_it(manager: ScriptedManager) -> None:
    """Bytes that are not UTF-8 are no text; the message names the way."""
    with base(manager) as box:
        box.fs.write("raw", b"\xff\xfe\x00")
        with pytest.raises(FileError, match="fmt='bytes'"):
            box.fs.read("raw")


def test_a_missing_file_is_an_error_in_every_form(manager: ScriptedManager) -> None:
    """Also the stream says at once that there is nothing to stream."""
    with base(manager) as box:
        with pytest.raises(FileNotFound, match="there is no x"):
            box.fs.read("x")
        with pytest.raises(FileNotFound, match="there is no x"):
            box.fs.read("x", "bytes")
        with pytest.raises(FileNotFound, match="there is no x"):
            box.fs.read("x", "stream")


def test_a_large_file_is_streamed_both_ways(manager: ScriptedManager, tmp_path: Path) -> None:
    """50 MB go up from a file and come down in chunks no larger than asked, unchanged."""
    data = b"0123456789abcdef" * (50 * 2**16)
    (tmp_path / "large").write_bytes(data)
    with base(manager) as box:
        entry = box.fs.write_from_path("large", tmp_path / "large")
        assert entry["size"] == len(data)
        digest = hashlib.sha256()
        with box.fs.read("large", "stream", chunk_size=1 << 18) as chunks:
            assert chunks.size == len(data)
            for chunk in chunks:
                assert len(chunk) <= 1 << 18
                digest.update(chunk)
    assert digest.digest() == hashlib.sha256(data).digest()
    put = next(seen for seen in manager.seen if seen.method == "PUT")
    assert put.headers["Transfer-Encoding"] == "chunked"


def test_files_and_chunks_can_be_written(manager: ScriptedManager) -> None:
    """An open binary file and an iterable of chunks are both data."""
    with base(manager) as box:
        box.fs.write("file", io.BytesIO(b"from a file"))
        box.fs.write("pieces", in_pieces(b"from pieces", 3))
    assert manager.files == {"file": b"from a file", "pieces": b"from pieces"}


def test_wrong_data_is_refused(manager: ScriptedManager) -> None:
    """A text file, or what is no data at all, is refused by name, and nothing half-written is taken for a file."""
    with base(manager) as box:
        with pytest.raises(InvalidRequest, match="mode 'rb'"):
            box.fs.write("x", io.StringIO("text"))  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest, match="cannot write a int"):
            box.fs.write("x", 5)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest, match="fmt is 'json'"):
            box.fs.read("x", "json")  # type: ignore[call-overload]
        with pytest.raises(InvalidRequest, match="path is empty"):
            box.fs.read("")
        with pytest.raises(InvalidRequest, match="not a media type"):
            box.fs.write("x", b"", content_type="text/plain\r\nX-Other: 1")
    assert not manager.files


def test_many_files_are_written_in_order(manager: ScriptedManager) -> None:
    """Each file needs a path and data; the entries come in the same order."""
    with base(manager) as box:
        entries = box.fs.write_many([{"path": "b", "data": "1"}, {"path": "a", "data": b"2"}])
        assert [entry["name"] for entry in entries] == ["b", "a"]
        with pytest.raises(InvalidRequest, match="one has no data"):
            box.fs.write_many([{"path": "c"}])


def test_a_download_may_be_left(manager: ScriptedManager) -> None:
    """Who leaves a stream early lets its connection go, and the sandbox works on."""
    with base(manager) as box:
        box.fs.write("large", b"x" * 5_000_000)
        with box.fs.read("large", "stream", chunk_size=1000) as chunks:
            assert len(next(chunks)) == 1000
        assert len(box.fs.read("large", "bytes")) == 5_000_000


def test_a_download_that_breaks_off_is_an_error(manager: ScriptedManager) -> None:
    """A stream that ends before the file does raises; it never looks complete."""
    with base(manager) as box:
        manager.then_hang_up_midway(b"x" * 10)
        with pytest.raises(ManagerUnreachable, match=r"read 'large'.*broke"):
            for _ in box.fs.read("large", "stream"):
                pass
