"""Files and folders between this machine and a real sandbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync
from agentscope_runtime.sandbox.errors import FileError, FileNotFound, ManagerUnreachable, SandboxDied

CONTENT = bytes(range(256)) * 20_000


@pytest.mark.docker
async def test_there_and_back(tmp_path: Path) -> None:
    """A folder goes up, the sandbox sees it, and it comes down as it is then; files go either way, too."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "ü.bin").write_bytes(CONTENT)
    (source / "link").symlink_to("sub/ü.bin")
    async with BaseSandboxAsync() as box:
        assert (await box.fs.upload_async(source, "project"))["type"] == "dir"
        result = await box.run_shell_command("cd project && cp link copied && chmod 755 copied && ls")
        assert result["content"][0]["text"] == "copied\nlink\nsub\n"
        assert await box.fs.download_async("project", tmp_path / "back") == tmp_path / "back"
        assert (await box.fs.upload_async(source / "sub" / "ü.bin", "project/sub/"))["size"] == len(CONTENT)
        assert (await box.fs.stat_async("project/link"))["path"] == "/workspace/project/sub/ü.bin"
        assert await box.fs.download_async("project/copied", tmp_path) == tmp_path / "copied"
        assert await box.fs.download_async("project/copied", tmp_path / "new" / "name") == tmp_path / "new" / "name"
        with pytest.raises(FileNotFound, match="no 'nothing'"):
            await box.fs.download_async("nothing", tmp_path / "nothing")
        with pytest.raises(FileNotFound, match="no 'nothing'"):
            await box.fs.stat_async("nothing")
        with pytest.raises(FileError, match="no folder"):
            await box.fs.upload_async(source, "project/copied")
        with pytest.raises(FileError, match="cannot be read"):
            await box.fs.upload_async(tmp_path / "nothing", "nothing")
        assert not await box.fs.exists_async("nothing")
    assert (tmp_path / "back" / "copied").stat().st_mode & 0o111
    assert (tmp_path / "back" / "link").readlink() == Path("sub/ü.bin")
    for path in ("back/copied", "back/sub/ü.bin", "copied", "new/name"):
        assert (tmp_path / path).read_bytes() == CONTENT
    assert sorted(set(os.listdir(tmp_path)) - {"state"}) == ["back", "copied", "new", "source"]


async def test_a_download_that_breaks_off(manager: ScriptedManager, tmp_path: Path) -> None:
    """The error says that the connection broke, or what became of the sandbox; nothing of the file is here."""
    async with BaseSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        for kind in ("file", "dir"):
            manager.then_say(b'{"name": "x", "path": "/workspace/x", "type": "%s"}' % kind.encode())
            manager.then_hang_up_midway(b"the beginning")
            with pytest.raises(ManagerUnreachable, match="broke"):
                await box.fs.download_async("x", tmp_path / "new" / "x")
            assert os.listdir(tmp_path / "new") == []
        manager.then_say(b'{"name": "x", "path": "/workspace/x", "type": "file"}')
        manager.then_hang_up_midway(b"the beginning")
        manager.then_refuse(SandboxDied("it died"))
        with pytest.raises(SandboxDied, match="it died"):
            await box.fs.download_async("x", tmp_path / "new" / "x")
