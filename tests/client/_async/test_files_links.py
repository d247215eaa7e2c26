"""Links to files of a real sandbox, used by somebody without a key."""

from __future__ import annotations

import io
import tarfile

import httpx
import pytest

from agentscope_runtime.sandbox import BaseSandboxAsync
from agentscope_runtime.sandbox.errors import FileNotFound, InvalidRequest

pytestmark = pytest.mark.docker


async def test_files_and_folders_by_link() -> None:
    """A file comes down, in parts, too; a folder as an archive; an upload is there at once."""
    async with BaseSandboxAsync() as box:
        await box.fs.write_async("out/report.txt", "0123456789")
        with httpx.Client(trust_env=False) as person:
            url = await box.fs.get_download_url_async("out/report.txt")
            assert url.endswith("/report.txt")
            part = person.get(url, headers={"Range": "bytes=3-5"})
            assert (part.status_code, part.text, part.headers["Content-Range"]) == (206, "345", "bytes 3-5/10")
            url = await box.fs.get_download_url_async("out", expires_in=60)
            assert url.endswith("/out.tar")
            with tarfile.open(fileobj=io.BytesIO(person.get(url).content)) as archive:
                assert archive.getnames() == ["report.txt"]
            url = await box.fs.get_upload_url_async("in")
            assert person.put(url, content=b"new").json()["path"] == "/workspace/in"
            url = await box.fs.get_upload_url_async("out")
            assert person.put(url + "other.txt", content=b"new").json()["path"] == "/workspace/out/other.txt"
        assert await box.fs.read_async("in") == await box.fs.read_async("out/other.txt") == "new"
        with pytest.raises(FileNotFound, match="no 'nothing'"):
            await box.fs.get_download_url_async("nothing")
        with pytest.raises(InvalidRequest, match="outside"):
            await box.fs.get_upload_url_async("/etc/x")
        with pytest.raises(InvalidRequest, match="expires_in is 0"):
            await box.fs.get_upload_url_async("x", expires_in=0)
