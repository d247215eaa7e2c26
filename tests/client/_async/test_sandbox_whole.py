"""The client with the real manager: one in this process, with boxes from memory instead of containers."""

from __future__ import annotations

import pytest

from agentscope_runtime.sandbox import BaseSandboxAsync, BrowserSandboxAsync
from agentscope_runtime.sandbox.errors import (
    FileNotFound,
    InvalidRequest,
    NotAuthorized,
    SandboxNotFound,
    UnknownSandboxType,
    UnknownTool,
)


@pytest.fixture(autouse=True)
def boxes_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the manager of this process run no containers."""
    monkeypatch.setenv("CONTAINER_DEPLOYMENT", "fake")
    monkeypatch.delenv("POOL_SIZE", raising=False)


async def test_a_sandbox_without_an_address_brings_its_manager(nobodys_settings: object) -> None:
    """Two lines run a tool: the manager is started, asked, and ended."""
    async with BaseSandboxAsync() as box:
        result = await box.run_ipython_cell("print('Hello, World!')")
        assert result["content"][0]["text"] == "print('Hello, World!')"
        assert result["isError"] is False
        assert box.embed_mode
        assert (box.base_url or "").startswith("http://127.0.0.1:")
    assert box.base_url is None


async def test_a_tool_that_fails_is_a_result() -> None:
    """What goes wrong in the sandbox has the shape of every result."""
    async with BaseSandboxAsync() as box:
        result = await box.run_shell_command("exit 3")
        assert result["isError"] is True
        assert [item["text"] for item in result["content"] if item.get("description") == "returncode"] == ["3"]


async def test_information_and_tools() -> None:
    """The manager describes the sandbox as leased to a session of its own, and lists what it can do."""
    async with BaseSandboxAsync() as box:
        info = await box.get_info_async()
        assert (info["sandbox_id"], info["state"], info["sandbox_type"]) == (box.sandbox_id, "leased", "base")
        assert len(info["session_id"]) == 32
        assert {"run_ipython_cell", "run_shell_command"} <= set((await box.list_tools_async("generic"))["generic"])


async def test_the_whole_of_the_files() -> None:
    """Everything that a workspace can do, once."""
    async with BaseSandboxAsync() as box:
        entry = await box.fs.write_async("a/b.txt", "text")
        assert entry["path"] == "/workspace/a/b.txt"
        assert await box.fs.read_async("a/b.txt") == "text"
        assert [one["name"] for one in await box.fs.list_async(".", depth=2)] == ["a", "b.txt"]
        assert await box.fs.mkdir_async("c") is True
        assert await box.fs.mkdir_async("c") is False
        assert (await box.fs.move_async("a/b.txt", "c/d.txt"))["name"] == "d.txt"
        assert await box.fs.exists_async("c/d.txt")
        await box.fs.remove_async("c")
        await box.fs.remove_async("c")
        assert not await box.fs.exists_async("c")
        data = bytes(range(256)) * 2**15
        assert (await box.fs.write_async("large", data))["size"] == len(data)
        received = b""
        async with await box.fs.read_async("large", "stream", chunk_size=100_000) as chunks:
            async for chunk in chunks:
                received += chunk
        assert received == data


async def test_errors_travel() -> None:
    """The manager's and the box's errors arrive as the same classes, with their words."""
    async with BaseSandboxAsync() as box:
        with pytest.raises(FileNotFound, match="/workspace/none"):
            await box.fs.read_async("none")
        with pytest.raises(InvalidRequest, match=r"etc/passwd"):
            await box.fs.read_async("/etc/passwd")
        with pytest.raises(UnknownTool, match="no tool 'toast'"):
            await box.call_tool_async("toast")
        with pytest.raises(InvalidRequest, match="code"):
            await box.call_tool_async("run_ipython_cell")
        with pytest.raises(UnknownSandboxType, match="no sandbox type 'toaster'; there are: base, browser"):
            await BaseSandboxAsync(sandbox_type="toaster").start_async()
        with pytest.raises(NotAuthorized, match="tried the bearer_token argument"):
            await BaseSandboxAsync(base_url=box.base_url, bearer_token="wrong").start_async()
        with pytest.raises(SandboxNotFound):
            await BaseSandboxAsync(sandbox_id="sbx-none").start_async()


async def test_objects_of_one_process_share_its_manager() -> None:
    """A second object uses the manager of the first, which lives until the last of them is closed."""
    async with BaseSandboxAsync() as box:
        async with BrowserSandboxAsync() as browser, BaseSandboxAsync(sandbox_id=box.sandbox_id) as guest:
            assert browser.base_url == box.base_url == guest.base_url
            assert guest.sandbox_id == box.sandbox_id != browser.sandbox_id
            again = BaseSandboxAsync(box.sandbox_id, browser.base_url, browser.bearer_token)
            async with again:
                await again.run_shell_command("by address and key")
        await box.run_shell_command("still here")


async def test_the_desktop_can_be_watched() -> None:
    """A manager in this process makes links, too; each is another."""
    async with BrowserSandboxAsync() as browser:
        first, second = await browser.get_desktop_url_async(), browser.desktop_url
        assert first != second
        assert first.startswith(f"{browser.base_url}/desktop/{browser.sandbox_id}#")
