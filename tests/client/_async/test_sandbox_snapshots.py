"""Snapshots as the manager hears of them, and what becomes of its answers."""

from __future__ import annotations

import json

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync
from agentscope_runtime.sandbox.errors import InvalidRequest, SnapshotRefused

ENTRY = {"name": "v1", "size": 2048, "created_at": 1.5}


async def test_a_snapshot_is_made_of_this_sandbox(manager: ScriptedManager) -> None:
    """Under the name that was given; the answer says what is kept, and nothing that a newer manager adds."""
    async with BaseSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        manager.then_say(json.dumps({**ENTRY, "newer": 1}).encode())
        assert await box.snapshot_async("v1") == ENTRY
        assert (manager.paths()[-1], manager.seen[-1].body) == (
            "PUT /v1/snapshots/v1",
            {"sandbox_id": box.sandbox_id},
        )
        manager.then_refuse(SnapshotRefused("too large"))
        with pytest.raises(SnapshotRefused, match="too large"):
            await box.snapshot_async("v1")


async def test_snapshots_are_those_of_the_sandboxs_user(manager: ScriptedManager) -> None:
    """Of one that is used by its name, too."""
    manager.leases[("s", "ann")] = {"base": "sbx-1"}
    async with BaseSandboxAsync("sbx-1", manager.url, KEY) as box:
        manager.then_say(json.dumps({"snapshots": [ENTRY]}).encode())
        assert await box.list_snapshots_async() == [ENTRY]
        assert (manager.paths()[-1], manager.seen[-1].query) == ("GET /v1/snapshots", {"user_id": "ann"})
        manager.then_say(b"", 204)
        await box.delete_snapshot_async("v1")
        assert (manager.paths()[-1], manager.seen[-1].query) == ("DELETE /v1/snapshots/v1", {"user_id": "ann"})


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "ä", "x" * 129])
async def test_a_name_that_is_none_is_not_sent(manager: ScriptedManager, name: str) -> None:
    """It could lead elsewhere."""
    async with BaseSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        seen = len(manager.seen)
        with pytest.raises(InvalidRequest, match="cannot name a snapshot"):
            await box.snapshot_async(name)
        with pytest.raises(InvalidRequest, match="cannot name a snapshot"):
            await box.delete_snapshot_async(name)
        assert len(manager.seen) == seen


async def test_a_sandbox_that_begins_with_one(manager: ScriptedManager) -> None:
    """It is an option like the others."""
    async with BaseSandboxAsync(base_url=manager.url, bearer_token=KEY, from_snapshot="v1"):
        assert [each["options"] for each in manager.connects] == [{"from_snapshot": "v1"}]
    with pytest.raises(InvalidRequest, match="from_snapshot"):
        BaseSandboxAsync(base_url=manager.url, bearer_token=KEY, from_snapshot="../v1")
