# Made by scripts/unasync.py from tests/client/_async/test_transfers.py. Do not edit: change that one and run `make unasync`.
"""Files and folders between this machine and a real sandbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import FileError, FileNotFound, ManagerUnreachable, SandboxDied

CONTENT = bytes(range(256)) * 20_000


@pytest.mark.docker
def test_there_and_back(tmp_path: Path) -> None:
    """A folder goes up, the sandbox sees it, and it comes down as it is then; files go either way, too."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "ü.bin").write_bytes(CONTENT)
    (source / "link").symlink_to("sub/ü.bin")
    with BaseSandbox() as box:
        assert (box.fs.upload(source, "project"))["type"] == "dir"
        result = box.run_shell_command("cd project && cp link copied && chmod 755 copied && ls")
        assert result["content"][0]["text"] == "copied\nlink\nsub\n"
        assert box.fs.download("project", tmp_path / "back") == tmp_path / "back"
        assert (box.fs.upload(source / "sub" / "ü.bin", "project/sub/"))["size"] == len(CONTENT)
        assert (box.fs.stat("project/link"))["path"] == "/workspace/project/sub/ü.bin"
        assert box.fs.download("project/copied", tmp_path) == tmp_path / "copied"
        assert box.fs.download("project/copied", tmp_path / "new" / "name") == tmp_path / "new" / "name"
        with pytest.raises(FileNotFound, match="no 'nothing'"):
            box.fs.download("nothing", tmp_path / "nothing")
        with pytest.raises(FileNotFound, match="no 'nothing'"):
            box.fs.stat("nothing")
        with pytest.raises(FileError, match="no folder"):
            box.fs.upload(source, "project/copied")
        with pytest.raises(FileError, match="cannot be read"):
            box.fs.upload(tmp_path / "nothing", "nothing")
        assert not box.fs.exists("nothing")
    assert (tmp_path / "back" / "copied").stat().st_mode & 0o111
    assert (tmp_path / "back" / "link").readlink() == Path("sub/ü.bin")
    for path in ("back/copied", "back/sub/ü.bin", "copied", "new/name"):
        assert (tmp_path / path).read_bytes() == CONTENT
    assert sorted(set(os.listdir(tmp_path)) - {"state"}) == ["back", "copied", "new", "source"]


def test_a_download_that_breaks_off(manager: ScriptedManager, tmp_path: Path) -> None:
    """The error says that the connection broke, or what became of the sandbox; nothing of the file is here."""
    with BaseSandbox(base_url=manager.url, bearer_token=KEY) as box:
        for kind in ("file", "dir"):
            manager.then_say(b'{"name": "x", "path": "/workspace/x", "type": "%s"}' % kind.encode())
            manager.then_hang_up_midway(b"the beginning")
            with pytest.raises(ManagerUnreachable, match="broke"):
                box.fs.download("x", tmp_path / "new" / "x")
            assert os.listdir(tmp_path / "new") == []
        manager.then_say(b'{"name": "x", "path": "/workspace/x", "type": "file"}')
        manager.then_hang_up_midway(b"the beginning")
        manager.then_refuse(SandboxDied("it died"))
        with pytest.raises(SandboxDied, match="it died"):
            box.fs.download("x", tmp_path / "new" / "x")
