"""Room among managers that share a pool."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from shared_pool import eventually, town

from agentscope_runtime.sandbox.errors import QuotaExceeded
from agentscope_runtime.sandbox_manager.admission import LOOK_AGAIN
from agentscope_runtime.sandbox_manager.states import LeaseKey


async def test_who_waits_at_one_manager_hears_of_room_at_another(tmp_path: Path) -> None:
    """At once, not when it would look by itself; limits and quotas are those of all managers together."""
    limits = {"max_sandbox_instances": 2, "max_sandboxes_per_user": 1}
    async with town(tmp_path) as t, t.manager(**limits) as one, t.manager(**limits) as two:
        await one.connect(LeaseKey("alice", "s1"), ["base"])
        await two.connect(LeaseKey("bob", "s2"), ["base"])
        with pytest.raises(QuotaExceeded):
            await two.connect(LeaseKey("alice", "s3"), ["base"])
        waiting = asyncio.create_task(one.connect(LeaseKey("carol", "s4"), ["base"], wait_s=60))

        async def stands() -> bool:
            return one.admission.to_wire().waiting == 1

        await eventually(stands)
        async with asyncio.timeout(LOOK_AGAIN / 2):
            await two.release(LeaseKey("bob", "s2"))
            assert (await waiting).key == LeaseKey("carol", "s4")


async def test_the_leader_sizes_the_pool_by_what_all_managers_give_away(tmp_path: Path) -> None:
    """It does not matter which of them a session asked."""
    sizing = {"pool_size": {"base": 1}, "pool_hit_ratio": 0.99, "pool_max": {"base": 6}}
    async with town(tmp_path) as t, t.manager(**sizing) as leader, t.manager(**sizing) as other:

        async def grown() -> bool:
            return (await leader.report()).types["base"].target > 1

        async def full() -> bool:
            return (await leader.report()).types["base"].ready >= 1

        await eventually(full)
        for number in range(12):
            await other.connect(LeaseKey("alice", f"s{number}"), ["base"])
        await eventually(grown)
        assert (await leader.report()).types["base"].hits == 0, "none of them came through the leader"
