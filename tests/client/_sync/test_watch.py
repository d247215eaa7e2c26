# Made by scripts/unasync.py from tests/client/_async/test_watch.py. Do not edit: change that one and run `make unasync`.
"""Changes of files while they happen: on a real sandbox, and from managers that fail."""

from __future__ import annotations

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import (
    FileError,
    FileNotFound,
    InternalError,
    InvalidRequest,
    ManagerUnreachable,
    SandboxDied,
)


@pytest.mark.docker
def test_what_the_user_s_code_does_is_seen() -> None:
    """By whatever way files change: a command, a cell, box.fs; with what is there then."""
    with BaseSandbox() as box:
        box.fs.mkdir("src")
        with box.fs.watch("src", recursive=True) as changes:
            box.run_shell_command("mkdir src/deep && printf 123 > src/deep/ü")
            assert [(next(changes)).path for _ in range(2)] == ["/workspace/src/deep", "/workspace/src/deep/ü"]
            box.run_ipython_cell("import os; os.rename('src/deep/ü', 'src/deep/u')")
            change = next(changes)
            assert (change.event, change.moved_from) == ("moved", "/workspace/src/deep/ü")
            assert change.entry is not None and change.entry["size"] == 3
            box.fs.write("src/deep/u", "x" * 10)
            assert (next(changes)).event == "modified"
            box.fs.remove("src/deep/u")
            change = next(changes)
            assert (change.event, change.path, change.entry) == ("deleted", "/workspace/src/deep/u", None)


@pytest.mark.docker
def test_how_a_watch_ends() -> None:
    """By its time, by its folder, by the end of its block; many of them leave room for the next."""
    with BaseSandbox() as box:
        assert [change for change in box.fs.watch(timeout=0.2)] == []
        box.fs.mkdir("folder")
        with box.fs.watch("folder") as changes:
            box.fs.remove("folder")
            assert [change.event for change in changes] == ["deleted"]
        with pytest.raises(FileNotFound, match="no 'folder'"):
            with box.fs.watch("folder"):
                pass
        with pytest.raises(InvalidRequest, match="outside"):
            next(box.fs.watch("/etc"))
        with pytest.raises(InvalidRequest, match="timeout is 0"):
            box.fs.watch(timeout=0)
        for _ in range(20):
            with box.fs.watch():
                pass


def test_watches_that_break_off(manager: ScriptedManager) -> None:
    """Where the sandbox is the cause, that is said; else that the connection broke, or that this is no watch."""
    with BaseSandbox(base_url=manager.url, bearer_token=KEY) as box:
        manager.then_hang_up_midway(b'{"event": "ready"}\n\n{"event": "sung", "path": "x"}\n')
        with box.fs.watch() as changes:
            with pytest.raises(ManagerUnreachable, match="broke"):
                next(changes)
        manager.then_hang_up_midway(b'{"event": "ready"}\n')
        manager.then_refuse(SandboxDied("it died"))
        with box.fs.watch() as changes:
            with pytest.raises(SandboxDied, match="it died"):
                next(changes)
        manager.then_say(b"<html>\n")
        with pytest.raises(InternalError, match=r"watch .* the answer cannot be read"):
            next(box.fs.watch())
        manager.then_refuse(FileError("too many"))
        with pytest.raises(FileError, match="too many"):
            next(box.fs.watch())
