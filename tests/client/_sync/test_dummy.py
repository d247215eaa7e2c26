# Made by scripts/unasync.py from tests/client/_async/test_dummy.py. Do not edit: change that one and run `make unasync`.
"""The sandbox that starts nothing."""

from __future__ import annotations

import pytest

from agentscope_runtime.sandbox import BaseSandbox, DummySandbox
from agentscope_runtime.sandbox.errors import InvalidRequest


def test_tools_say_that_nothing_was_run() -> None:
    """No manager is there, none is asked: the answer has the shape of every tool's, and is no error."""
    with DummySandbox() as box:
        assert isinstance(box, BaseSandbox)
        for result in (box.run_ipython_cell("1"), box.call_tool("run_ipython_cell", {"code": "1"})):
            assert result["isError"] is False
            assert result["content"][0]["text"] == "This is a dummy sandbox: run_ipython_cell was not run."
        assert box.list_tools() == {}
        assert box.list_tools("generic") == {"generic": {}}


def test_it_is_described_as_others_are() -> None:
    """It has a name and a kind, and neither image nor container; a given name is kept."""
    with DummySandbox("mine", base_url="http://127.0.0.1:9", bearer_token="k") as box:
        info = box.get_info()
        assert (info["sandbox_id"], info["sandbox_type"], info["image"]) == ("mine", "dummy", "")
        assert box.sandbox_id == "mine"
    one, other = DummySandbox(), DummySandbox()
    one.start()
    other.start()
    assert one.sandbox_id != other.sandbox_id
    one.close()
    assert one.sandbox_id is None


def test_what_it_does_not_have_is_said() -> None:
    """Files and links are errors that name the reason; and it has to be started, as others."""
    box = DummySandbox()
    with pytest.raises(InvalidRequest, match="DummySandbox is not started"):
        box.run_shell_command("true")
    with box:
        with pytest.raises(InvalidRequest, match="a dummy sandbox has no files"):
            box.fs.write("a", "b")
        with pytest.raises(InvalidRequest, match="a dummy sandbox has no files"):
            box.fs.read("a", fmt="stream")
    with pytest.raises(InvalidRequest, match="cannot be a base sandbox"):
        DummySandbox(sandbox_type="base")
