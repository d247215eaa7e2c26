"""Sandboxes that are connected at their first use."""

from __future__ import annotations

import io

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync
from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound, PoolExhausted


def lazy(manager: ScriptedManager) -> BaseSandboxAsync:
    """Make a lazy sandbox of this manager."""
    return BaseSandboxAsync(None, manager.url, KEY, lazy=True)


async def test_a_lazy_sandbox_that_nobody_uses_starts_nothing(manager: ScriptedManager) -> None:
    """Nothing is sent, and there is nothing to give back."""
    async with lazy(manager) as box:
        assert box.sandbox_id is None
        assert repr(box) == "<BaseSandboxAsync base: not used yet>"
    assert not manager.seen


async def test_the_first_use_connects_and_closing_gives_back(manager: ScriptedManager) -> None:
    """Whatever is used first; the second use finds it there."""
    async with lazy(manager) as box:
        await box.run_shell_command("true")
        assert box.sandbox_id is not None
        await box.run_shell_command("true")
        assert [path for path in manager.paths() if path.endswith("/leases")] == ["POST /v1/leases"]
    assert not manager.leases


@pytest.mark.parametrize("how", ["tools", "info", "write", "stream", "exists"])
async def test_every_use_connects(manager: ScriptedManager, how: str) -> None:
    """Tools, information and files alike."""
    manager.files["a"] = b"1"
    async with lazy(manager) as box:
        match how:
            case "tools":
                await box.list_tools_async()
            case "info":
                await box.get_info_async()
            case "write":
                await box.fs.write_async("b", io.BytesIO(b"1"))
            case "stream":
                async with await box.fs.read_async("a", fmt="stream"):
                    pass
            case "exists":
                assert not await box.fs.exists_async("b")
        assert len(manager.leases) == 1


async def test_a_first_use_that_fails_may_be_repeated(manager: ScriptedManager) -> None:
    """Its error is the manager's, and the next use tries again."""
    async with lazy(manager) as box:
        manager.then_refuse(PoolExhausted("all 3 sandboxes are taken"))
        with pytest.raises(PoolExhausted):
            await box.run_shell_command("true")
        await box.run_shell_command("true")
    assert not manager.leases


async def test_what_was_not_used_is_not_known(manager: ScriptedManager) -> None:
    """Closed before its first use it cannot be used any more; its properties say what is missing."""
    async with lazy(manager) as box:
        held = box._in_hand()
        with pytest.raises(InvalidRequest, match="connected at its first use, and was not used yet"):
            _ = held.info
    with pytest.raises(InvalidRequest, match="closed before it was used"):
        await held.opened_async()
    assert not manager.seen


async def test_a_sandbox_may_wait_for_room(manager: ScriptedManager) -> None:
    """The manager is told for how long."""
    async with BaseSandboxAsync(None, manager.url, KEY, wait_s=12):
        assert manager.connects[-1]["wait_s"] == 12


async def test_a_lease_may_be_renewed(manager: ScriptedManager) -> None:
    """Also a lazy one's, which connects for it, and that of a sandbox that is used by its id."""
    async with lazy(manager) as box:
        renewed = await box.renew_async(600)
        assert renewed["expires_at"] == 1600.0
        assert [each["sandbox_id"] for each in renewed["sandboxes"]] == [box.sandbox_id]
        asked = manager.seen[-1].body
        assert asked is not None
        assert (asked["seconds"], asked["user_id"]) == (600, "")
        async with BaseSandboxAsync(box.sandbox_id, manager.url, KEY) as other:
            assert (await other.renew_async())["session_id"] == renewed["session_id"]
        assert "seconds" not in (manager.seen[-1].body or {})
        with pytest.raises(InvalidRequest, match="seconds"):
            await box.renew_async(0)
        manager.leases.clear()
        with pytest.raises(NotFound, match="holds nothing"):
            await box.renew_async()
