"""The sandbox that starts nothing."""

from __future__ import annotations

import pytest

from agentscope_runtime.sandbox import BaseSandboxAsync, DummySandboxAsync
from agentscope_runtime.sandbox.errors import InvalidRequest


async def test_tools_say_that_nothing_was_run() -> None:
    """No manager is there, none is asked: the answer has the shape of every tool's, and is no error."""
    async with DummySandboxAsync() as box:
        assert isinstance(box, BaseSandboxAsync)
        for result in (await box.run_ipython_cell("1"), await box.call_tool_async("run_ipython_cell", {"code": "1"})):
            assert result["isError"] is False
            assert result["content"][0]["text"] == "This is a dummy sandbox: run_ipython_cell was not run."
        assert await box.list_tools_async() == {}
        assert await box.list_tools_async("generic") == {"generic": {}}


async def test_it_is_described_as_others_are() -> None:
    """It has a name and a kind, and neither image nor container; a given name is kept."""
    async with DummySandboxAsync("mine", base_url="http://127.0.0.1:9", bearer_token="k") as box:
        info = await box.get_info_async()
        assert (info["sandbox_id"], info["sandbox_type"], info["image"]) == ("mine", "dummy", "")
        assert box.sandbox_id == "mine"
    one, other = DummySandboxAsync(), DummySandboxAsync()
    await one.start_async()
    await other.start_async()
    assert one.sandbox_id != other.sandbox_id
    await one.close_async()
    assert one.sandbox_id is None


async def test_what_it_does_not_have_is_said() -> None:
    """Files and links are errors that name the reason; and it has to be started, as others."""
    box = DummySandboxAsync()
    with pytest.raises(InvalidRequest, match="DummySandboxAsync is not started"):
        await box.run_shell_command("true")
    async with box:
        with pytest.raises(InvalidRequest, match="a dummy sandbox has no files"):
            await box.fs.write_async("a", "b")
        with pytest.raises(InvalidRequest, match="a dummy sandbox has no files"):
            await box.fs.read_async("a", fmt="stream")
    with pytest.raises(InvalidRequest, match="cannot be a base sandbox"):
        DummySandboxAsync(sandbox_type="base")
