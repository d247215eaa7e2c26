# Made by scripts/unasync.py from tests/client/_async/test_files_links.py. Do not edit: change that one and run `make unasync`.
"""Links to files of a real sandbox, used by somebody without a key."""

from __future__ import annotations

import io
import tarfile

import httpx
import pytest

from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import FileNotFound, InvalidRequest

pytestmark = pytest.mark.docker


def test_files_and_folders_by_link() -> None:
    """A file comes down, in parts, too; a folder as an archive; an upload is there at once."""
    with BaseSandbox() as box:
        box.fs.write("out/report.txt", "0123456789")
        with httpx.Client(trust_env=False) as person:
            url = box.fs.get_download_url("out/report.txt")
            assert url.endswith("/report.txt")
            part = person.get(url, headers={"Range": "bytes=3-5"})
            assert (part.status_code, part.text, part.headers["Content-Range"]) == (206, "345", "bytes 3-5/10")
            url = box.fs.get_download_url("out", expires_in=60)
            assert url.endswith("/out.tar")
            with tarfile.open(fileobj=io.BytesIO(person.get(url).content)) as archive:
                assert archive.getnames() == ["report.txt"]
            url = box.fs.get_upload_url("in")
            assert person.put(url, content=b"new").json()["path"] == "/workspace/in"
            url = box.fs.get_upload_url("out")
            assert person.put(url + "other.txt", content=b"new").json()["path"] == "/workspace/out/other.txt"
        assert box.fs.read("in") == box.fs.read("out/other.txt") == "new"
        with pytest.raises(FileNotFound, match="no 'nothing'"):
            box.fs.get_download_url("nothing")
        with pytest.raises(InvalidRequest, match="outside"):
            box.fs.get_upload_url("/etc/x")
        with pytest.raises(InvalidRequest, match="expires_in is 0"):
            box.fs.get_upload_url("x", expires_in=0)
