"""The client on real containers: a manager in this process, the images that `make images` builds."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from driving import said, text

from agentscope_runtime.sandbox import BaseSandboxAsync, BrowserSandboxAsync

pytestmark = pytest.mark.docker


async def test_hello_world() -> None:
    """The first lines of the README, as they stand there."""
    async with BaseSandboxAsync() as box:
        result = await box.run_ipython_cell("print('Hello, World!')")
    assert result["content"][0]["text"] == "Hello, World!\n"
    assert result["isError"] is False


async def test_cells_share_variables_and_commands_share_files() -> None:
    """Variables stay from one cell to the next, files between cells, commands and box.fs."""
    async with BaseSandboxAsync() as box:
        await box.run_ipython_cell("x = 41")
        assert said(await box.run_ipython_cell("x + 1")) == "Out[2]: 42\n"
        await box.fs.write_async("in/name.txt", "grüße")
        result = await box.run_shell_command("cat in/name.txt; echo seen >&2; exit 3")
        assert (said(result), said(result, "stderr"), said(result, "returncode")) == ("grüße", "seen\n", "3")
        assert result["isError"] is True
        failed = await box.run_ipython_cell("1 / 0")
        assert failed["isError"] is True
        assert "ZeroDivisionError" in said(failed, "stderr")


async def test_a_large_file_there_and_back(tmp_path: Path) -> None:
    """50 MB are the same after a way through box.fs that both sides stream."""
    (tmp_path / "large").write_bytes(b"0123456789abcdef" * (50 * 2**16))
    digest = hashlib.sha256((tmp_path / "large").read_bytes())
    async with BaseSandboxAsync() as box:
        entry = await box.fs.write_from_path_async("deep/large", tmp_path / "large")
        assert entry["size"] == 50 * 2**20
        assert said(await box.run_shell_command("sha256sum < deep/large")).split()[0] == digest.hexdigest()
        received = hashlib.sha256()
        async with await box.fs.read_async("deep/large", "stream") as chunks:
            async for chunk in chunks:
                received.update(chunk)
    assert received.digest() == digest.digest()


async def test_a_command_that_never_ends_is_ended() -> None:
    """Out of its own time, a command is a result that says so, and the sandbox works on."""
    async with BaseSandboxAsync() as box:
        result = await box.call_tool_async("run_shell_command", {"command": "sleep 1000"}, timeout=1)
        assert result["isError"] is True
        assert "timed out after 1 s" in str(result["content"])
        assert said(await box.run_shell_command("echo on")) == "on\n"


async def test_a_browser_is_driven_and_can_be_watched() -> None:
    """Pages are opened, clicked and photographed; the tools with default arguments all work; a link shows it."""
    page = "<title>First</title><a href=second.html>Next</a>"
    async with BrowserSandboxAsync() as box:
        await box.fs.write_many_async(
            [{"path": "site/index.html", "data": page}, {"path": "site/second.html", "data": "<title>Second</title>"}]
        )
        await box.run_shell_command("nohup python3 -m http.server 8900 --bind 127.0.0.1 -d site >/dev/null 2>&1 &")
        await box.run_shell_command("for i in $(seq 50); do curl -sf localhost:8900 && break; sleep 0.1; done")
        snapshot = text(await box.browser_navigate("http://localhost:8900/index.html"))
        assert "First" in snapshot
        ref = snapshot.split('link "Next" [ref=')[1].split("]")[0]
        assert "Second" in text(await box.browser_click("Next", ref))
        assert "First" in text(await box.browser_navigate_back())
        picture = (await box.browser_take_screenshot())["content"]
        (image,) = [item for item in picture if item["type"] == "image"]
        assert base64.b64decode(image["data"]).startswith(b"\xff\xd8")
        text(await box.browser_pdf_save())
        text(await box.browser_wait_for(time=0.1))
        text(await box.browser_tab_new())
        text(await box.browser_tab_close())
        assert set(await box.list_tools_async()) == {"generic", "playwright"}
        assert len((await box.list_tools_async("playwright"))["playwright"]) == 23
        assert (await box.get_desktop_url_async()).startswith(f"{box.base_url}/desktop/{box.sandbox_id}#")
