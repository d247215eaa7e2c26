# Made by scripts/unasync.py from tests/client/_async/test_sandbox_whole.py. Do not edit: change that one and run `make unasync`.
"""The client with the real manager: one in this process, with boxes from memory instead of containers."""

from __future__ import annotations

import pytest

from agentscope_runtime.sandbox import BaseSandbox, BrowserSandbox
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


def test_a_sandbox_without_an_address_brings_its_manager(nobodys_settings: object) -> None:
    """Two lines run a tool: the manager is started, asked, and ended."""
    with BaseSandbox() as box:
        result = box.run_ipython_cell("print('Hello, World!')")
        assert result["content"][0]["text"] == "print('Hello, World!')"
        assert result["isError"] is False
        assert box.embed_mode
        assert (box.base_url or "").startswith("http://127.0.0.1:")
    assert box.base_url is None


def test_a_tool_that_fails_is_a_result() -> None:
    """What goes wrong in the sandbox has the shape of every result."""
    with BaseSandbox() as box:
        result = box.run_shell_command("exit 3")
        assert result["isError"] is True
        assert [item["text"] for item in result["content"] if item.get("description") == "returncode"] == ["3"]


def test_information_and_tools() -> None:
    """The manager describes the sandbox as leased to a session of its own, and lists what it can do."""
    with BaseSandbox() as box:
        info = box.get_info()
        assert (info["sandbox_id"], info["state"], info["sandbox_type"]) == (box.sandbox_id, "leased", "base")
        assert len(info["session_id"]) == 32
        assert {"run_ipython_cell", "run_shell_command"} <= set((box.list_tools("generic"))["generic"])


def test_the_whole_of_the_files() -> None:
    """Everything that a workspace can do, once."""
    with BaseSandbox() as box:
        entry = box.fs.write("a/b.txt", "text")
        assert entry["path"] == "/workspace/a/b.txt"
        assert box.fs.read("a/b.txt") == "text"
        assert [one["name"] for one in box.fs.list(".", depth=2)] == ["a", "b.txt"]
        assert box.fs.mkdir("c") is True
        assert box.fs.mkdir("c") is False
        assert (box.fs.move("a/b.txt", "c/d.txt"))["name"] == "d.txt"
        assert box.fs.exists("c/d.txt")
        box.fs.remove("c")
        box.fs.remove("c")
        assert not box.fs.exists("c")
        data = bytes(range(256)) * 2**15
        assert (box.fs.write("large", data))["size"] == len(data)
        received = b""
        with box.fs.read("large", "stream", chunk_size=100_000) as chunks:
            for chunk in chunks:
                received += chunk
        assert received == data


def test_errors_travel() -> None:
    """The manager's and the box's errors arrive as the same classes, with their words."""
    with BaseSandbox() as box:
        with pytest.raises(FileNotFound, match="/workspace/none"):
            box.fs.read("none")
        with pytest.raises(InvalidRequest, match=r"etc/passwd"):
            box.fs.read("/etc/passwd")
        with pytest.raises(UnknownTool, match="no tool 'toast'"):
            box.call_tool("toast")
        with pytest.raises(InvalidRequest, match="code"):
            box.call_tool("run_ipython_cell")
        with pytest.raises(UnknownSandboxType, match="no sandbox type 'toaster'; there are: base, browser"):
            BaseSandbox(sandbox_type="toaster").start()
        with pytest.raises(NotAuthorized, match="tried the bearer_token argument"):
            BaseSandbox(base_url=box.base_url, bearer_token="wrong").start()
        with pytest.raises(SandboxNotFound):
            BaseSandbox(sandbox_id="sbx-none").start()


def test_objects_of_one_process_share_its_manager() -> None:
    """A second object uses the manager of the first, which lives until the last of them is closed."""
    with BaseSandbox() as box:
        with BrowserSandbox() as browser, BaseSandbox(sandbox_id=box.sandbox_id) as guest:
            assert browser.base_url == box.base_url == guest.base_url
            assert guest.sandbox_id == box.sandbox_id != browser.sandbox_id
            again = BaseSandbox(box.sandbox_id, browser.base_url, browser.bearer_token)
            with again:
                again.run_shell_command("by address and key")
        box.run_shell_command("still here")


def test_the_desktop_can_be_watched() -> None:
    """A manager in this process makes links, too; each is another."""
    with BrowserSandbox() as browser:
        first, second = browser.get_desktop_url(), browser.desktop_url
        assert first != second
        assert first.startswith(f"{browser.base_url}/desktop/{browser.sandbox_id}#")
