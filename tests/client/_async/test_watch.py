"""Changes of files while they happen: on a real sandbox, and from managers that fail."""

from __future__ import annotations

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync
from agentscope_runtime.sandbox.errors import (
    FileError,
    FileNotFound,
    InternalError,
    InvalidRequest,
    ManagerUnreachable,
    SandboxDied,
)


@pytest.mark.docker
async def test_what_the_user_s_code_does_is_seen() -> None:
    """By whatever way files change: a command, a cell, box.fs; with what is there then."""
    async with BaseSandboxAsync() as box:
        await box.fs.mkdir_async("src")
        async with box.fs.watch_async("src", recursive=True) as changes:
            await box.run_shell_command("mkdir src/deep && printf 123 > src/deep/ü")
            assert [(await anext(changes)).path for _ in range(2)] == ["/workspace/src/deep", "/workspace/src/deep/ü"]
            await box.run_ipython_cell("import os; os.rename('src/deep/ü', 'src/deep/u')")
            change = await anext(changes)
            assert (change.event, change.moved_from) == ("moved", "/workspace/src/deep/ü")
            assert change.entry is not None and change.entry["size"] == 3
            await box.fs.write_async("src/deep/u", "x" * 10)
            assert (await anext(changes)).event == "modified"
            await box.fs.remove_async("src/deep/u")
            change = await anext(changes)
            assert (change.event, change.path, change.entry) == ("deleted", "/workspace/src/deep/u", None)


@pytest.mark.docker
async def test_how_a_watch_ends() -> None:
    """By its time, by its folder, by the end of its block; many of them leave room for the next."""
    async with BaseSandboxAsync() as box:
        assert [change async for change in box.fs.watch_async(timeout=0.2)] == []
        await box.fs.mkdir_async("folder")
        async with box.fs.watch_async("folder") as changes:
            await box.fs.remove_async("folder")
            assert [change.event async for change in changes] == ["deleted"]
        with pytest.raises(FileNotFound, match="no 'folder'"):
            async with box.fs.watch_async("folder"):
                pass
        with pytest.raises(InvalidRequest, match="outside"):
            await anext(box.fs.watch_async("/etc"))
        with pytest.raises(InvalidRequest, match="timeout is 0"):
            box.fs.watch_async(timeout=0)
        for _ in range(20):
            async with box.fs.watch_async():
                pass


async def test_watches_that_break_off(manager: ScriptedManager) -> None:
    """Where the sandbox is the cause, that is said; else that the connection broke, or that this is no watch."""
    async with BaseSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        manager.then_hang_up_midway(b'{"event": "ready"}\n\n{"event": "sung", "path": "x"}\n')
        async with box.fs.watch_async() as changes:
            with pytest.raises(ManagerUnreachable, match="broke"):
                await anext(changes)
        manager.then_hang_up_midway(b'{"event": "ready"}\n')
        manager.then_refuse(SandboxDied("it died"))
        async with box.fs.watch_async() as changes:
            with pytest.raises(SandboxDied, match="it died"):
                await anext(changes)
        manager.then_say(b"<html>\n")
        with pytest.raises(InternalError, match=r"watch .* the answer cannot be read"):
            await anext(box.fs.watch_async())
        manager.then_refuse(FileError("too many"))
        with pytest.raises(FileError, match="too many"):
            await anext(box.fs.watch_async())
