# Made by scripts/unasync.py from tests/client/_async/test_sandbox_real.py. Do not edit: change that one and run `make unasync`.
"""The client on real containers: a manager in this process, the images that `make images` builds."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from driving import said, text

from agentscope_runtime.sandbox import BaseSandbox, BrowserSandbox

pytestmark = pytest.mark.docker


def test_hello_world() -> None:
    """The first lines of the README, as they stand there."""
    with BaseSandbox() as box:
        result = box.run_ipython_cell("print('Hello, World!')")
    assert result["content"][0]["text"] == "Hello, World!\n"
    assert result["isError"] is False


def test_cells_share_variables_and_commands_share_files() -> None:
    """Variables stay from one cell to the next, files between cells, commands and box.fs."""
    with BaseSandbox() as box:
        box.run_ipython_cell("x = 41")
        assert said(box.run_ipython_cell("x + 1")) == "Out[2]: 42\n"
        box.fs.write("in/name.txt", "grüße")
        result = box.run_shell_command("cat in/name.txt; echo seen >&2; exit 3")
        assert (said(result), said(result, "stderr"), said(result, "returncode")) == ("grüße", "seen\n", "3")
        assert result["isError"] is True
        failed = box.run_ipython_cell("1 / 0")
        assert failed["isError"] is True
        assert "ZeroDivisionError" in said(failed, "stderr")


def test_a_large_file_there_and_back(tmp_path: Path) -> None:
    """50 MB are the same after a way through box.fs that both sides stream."""
    (tmp_path / "large").write_bytes(b"0123456789abcdef" * (50 * 2**16))
    digest = hashlib.sha256((tmp_path / "large").read_bytes())
    with BaseSandbox() as box:
        entry = box.fs.write_from_path("deep/large", tmp_path / "large")
        assert entry["size"] == 50 * 2**20
        assert said(box.run_shell_command("sha256sum < deep/large")).split()[0] == digest.hexdigest()
        received = hashlib.sha256()
        with box.fs.read("deep/large", "stream") as chunks:
            for chunk in chunks:
                received.update(chunk)
    assert received.digest() == digest.digest()


def test_a_command_that_never_ends_is_ended() -> None:
    """Out of its own time, a command is a result that says so, and the sandbox works on."""
    with BaseSandbox() as box:
        result = box.call_tool("run_shell_command", {"command": "sleep 1000"}, timeout=1)
        assert result["isError"] is True
        assert "timed out after 1 s" in str(result["content"])
        assert said(box.run_shell_command("echo on")) == "on\n"


def test_a_browser_is_driven_and_can_be_watched() -> None:
    """Pages are opened, clicked and photographed; the tools with default arguments all work; a link shows it."""
    page = "<title>First</title><a href=second.html>Next</a>"
    with BrowserSandbox() as box:
        box.fs.write_many(
            [{"path": "site/index.html", "data": page}, {"path": "site/second.html", "data": "<title>Second</title>"}]
        )
        box.run_shell_command("nohup python3 -m http.server 8900 --bind 127.0.0.1 -d site >/dev/null 2>&1 &")
        box.run_shell_command("for i in $(seq 50); do curl -sf localhost:8900 && break; sleep 0.1; done")
        snapshot = text(box.browser_navigate("http://localhost:8900/index.html"))
        assert "First" in snapshot
        ref = snapshot.split('link "Next" [ref=')[1].split("]")[0]
        assert "Second" in text(box.browser_click("Next", ref))
        assert "First" in text(box.browser_navigate_back())
        picture = (box.browser_take_screenshot())["content"]
        (image,) = [item for item in picture if item["type"] == "image"]
        assert base64.b64decode(image["data"]).startswith(b"\xff\xd8")
        text(box.browser_pdf_save())
        text(box.browser_wait_for(time=0.1))
        text(box.browser_tab_new())
        text(box.browser_tab_close())
        assert set(box.list_tools()) == {"generic", "playwright"}
        assert len((box.list_tools("playwright"))["playwright"]) == 23
        assert (box.get_desktop_url()).startswith(f"{box.base_url}/desktop/{box.sandbox_id}#")
