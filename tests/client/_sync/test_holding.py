# Made by scripts/unasync.py from tests/client/_async/test_holding.py. Do not edit: change that one and run `make unasync`.
"""Sandboxes that are connected at their first use."""

from __future__ import annotations

import io

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound, PoolExhausted


def lazy(manager: ScriptedManager) -> BaseSandbox:
    """Make a lazy sandbox of this manager."""
    return BaseSandbox(None, manager.url, KEY, lazy=True)


def test_a_lazy_sandbox_that_nobody_uses_starts_nothing(manager: ScriptedManager) -> None:
    """Nothing is sent, and there is nothing to give back."""
    with lazy(manager) as box:
        assert box.sandbox_id is None
        assert repr(box) == "<BaseSandbox base: not used yet>"
    assert not manager.seen


def test_the_first_use_connects_and_closing_gives_back(manager: ScriptedManager) -> None:
    """Whatever is used first; the second use finds it there."""
    with lazy(manager) as box:
        box.run_shell_command("true")
        assert box.sandbox_id is not None
        box.run_shell_command("true")
        assert [path for path in manager.paths() if path.endswith("/leases")] == ["POST /v1/leases"]
    assert not manager.leases


@pytest.mark.parametrize("how", ["tools", "info", "write", "stream", "exists"])
def test_every_use_connects(manager: ScriptedManager, how: str) -> None:
    """Tools, information and files alike."""
    manager.files["a"] = b"1"
    with lazy(manager) as box:
        match how:
            case "tools":
                box.list_tools()
            case "info":
                box.get_info()
            case "write":
                box.fs.write("b", io.BytesIO(b"1"))
            case "stream":
                with box.fs.read("a", fmt="stream"):
                    pass
            case "exists":
                assert not box.fs.exists("b")
        assert len(manager.leases) == 1


def test_a_first_use_that_fails_may_be_repeated(manager: ScriptedManager) -> None:
    """Its error is the manager's, and the next use tries again."""
    with lazy(manager) as box:
        manager.then_refuse(PoolExhausted("all 3 sandboxes are taken"))
        with pytest.raises(PoolExhausted):
            box.run_shell_command("true")
        box.run_shell_command("true")
    assert not manager.leases


def test_what_was_not_used_is_not_known(manager: ScriptedManager) -> None:
    """Closed before its first use it cannot be used any more; its properties say what is missing."""
    with lazy(manager) as box:
        held = box._in_hand()
        with pytest.raises(InvalidRequest, match="connected at its first use, and was not used yet"):
            _ = held.info
    with pytest.raises(InvalidRequest, match="closed before it was used"):
        held.opened()
    assert not manager.seen


def test_a_sandbox_may_wait_for_room(manager: ScriptedManager) -> None:
    """The manager is told for how long."""
    with BaseSandbox(None, manager.url, KEY, wait_s=12):
        assert manager.connects[-1]["wait_s"] == 12


def test_a_lease_may_be_renewed(manager: ScriptedManager) -> None:
    """Also a lazy one's, which connects for it, and that of a sandbox that is used by its id."""
    with lazy(manager) as box:
        renewed = box.renew(600)
        assert renewed["expires_at"] == 1600.0
        assert [each["sandbox_id"] for each in renewed["sandboxes"]] == [box.sandbox_id]
        asked = manager.seen[-1].body
        assert asked is not None
        assert (asked["seconds"], asked["user_id"]) == (600, "")
        with BaseSandbox(box.sandbox_id, manager.url, KEY) as other:
            assert (other.renew())["session_id"] == renewed["session_id"]
        assert "seconds" not in (manager.seen[-1].body or {})
        with pytest.raises(InvalidRequest, match="seconds"):
            box.renew(0)
        manager.leases.clear()
        with pytest.raises(NotFound, match="holds nothing"):
            box.renew()
