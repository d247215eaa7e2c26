"""How free sandboxes that have had their time are replaced."""

from __future__ import annotations

import asyncio

from fake_pool import World, filled, ids, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import StartFailed
from agentscope_runtime.sandbox_manager.events import SandboxStopping
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.renewal import OLD, STALE
from agentscope_runtime.sandbox_manager.states import Limits, State


async def free(w: World) -> set[str]:
    """Return the free ones that answer."""
    return {record.sandbox_id for record in await w.pool.sandboxes() if record.state is State.WARM and not record.key}


def replaced(w: World, reason: str) -> list[str]:
    """Return what was retired for this reason, in order."""
    stopped = [event for event in w.happenings(SandboxStopping) if isinstance(event, SandboxStopping)]
    return [event.sandbox_id for event in stopped if event.reason == reason]


@virtual
async def test_old_ones_are_replaced_one_by_one_and_the_pool_is_never_short() -> None:
    """Each goes once its successor is ready."""
    async with world(Policy(targets={"base": 3}, member_max_age=3600)) as w:
        w.script.takes["start"] = 5.0
        await filled(w, ready=3)
        first = await free(w)
        await asyncio.sleep(3580)
        assert await free(w) == first
        for _ in range(120):
            await asyncio.sleep(1)
            assert len(await free(w)) >= 3
            assert len(await w.pool.sandboxes()) <= 5, "more than one at a time"
        assert not await free(w) & first
        assert set(replaced(w, OLD.reason)) == first


@virtual
async def test_a_rebuilt_image_drains_the_old_members() -> None:
    """Sessions that come meanwhile still find one ready; leased ones stay."""
    async with world(Policy(targets={"base": 2})) as w:
        await filled(w, ready=2)
        leased = ids(await w.pool.connect(key(), ["base"]))
        await filled(w, ready=2)
        old = await free(w)
        w.backend.engine.revision += 1
        for _ in range(60):
            await asyncio.sleep(1)
            assert len(await free(w)) >= 2
        assert not await free(w) & old
        assert set(replaced(w, STALE.reason)) == old
        assert (await w.pool.sandbox(leased[0])).state is State.LEASED


@virtual
async def test_what_a_session_took_meanwhile_stays_its_own() -> None:
    """Between finding out and replacing it."""
    async with world(Policy(targets={"base": 1}, member_max_age=10), loops=False) as w:
        w.script.takes["start"] = 5.0
        await filled(w)
        (mine,) = await free(w)
        await asyncio.sleep(20)
        await w.pool.refill.renewal.look(await w.pool.sandboxes())
        w.pool.refill.wake()
        await asyncio.sleep(1)
        assert ids(await w.pool.connect(key(), ["base"])) == [mine]
        await asyncio.sleep(20)
        assert (await w.pool.sandbox(mine)).state is State.LEASED
        assert replaced(w, OLD.reason) == []
        assert len(await free(w)) == 1


@virtual
async def test_a_successor_that_does_not_start_leaves_the_old_one() -> None:
    """A broken new image costs no warm sandbox."""
    async with world(Policy(targets={"base": 2})) as w:
        await filled(w, ready=2)
        old = await free(w)
        w.script.broken["ready"] = StartFailed("the new image is broken")
        w.backend.engine.revision += 1
        await asyncio.sleep(120)
        assert await free(w) == old
        w.script.broken.clear()
        await asyncio.sleep(120)
        assert len(await free(w)) == 2
        assert not await free(w) & old


@virtual
async def test_at_the_limit_the_old_one_makes_way() -> None:
    """There is no room for both."""
    async with world(Policy(targets={"base": 1}, limits=Limits(total=2), member_max_age=60)) as w:
        await filled(w)
        await w.pool.connect(key(), ["browser"])
        old = await free(w)
        await asyncio.sleep(100)
        await settle()
        assert len(await free(w)) == 1
        assert not await free(w) & old
