"""Keeping boxes alive, and noticing when they are not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Never

import pytest
from fake_pool import World, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable, SandboxDied, StoreUnavailable
from agentscope_runtime.sandbox_manager.backends import Unreachable, WatchBegins, WatchLost
from agentscope_runtime.sandbox_manager.events import BackendBack, BackendLost, SandboxSilent
from agentscope_runtime.sandbox_manager.heartbeat import Heartbeat
from agentscope_runtime.sandbox_manager.known import Known
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.membership import Alone
from agentscope_runtime.sandbox_manager.states import SandboxRecord

POLICY = Policy(targets={"base": 1}, watchdog=60.0, idle_timeout=10_000.0)


class Follows(Alone):
    """Another manager leads."""

    is_leader = False


def deaf(w: World, sandbox_id: str) -> None:
    """Make one box stop answering while its container runs."""
    listen = w.backend.heartbeat

    async def heartbeat(record: SandboxRecord) -> str:
        if record.sandbox_id == sandbox_id:
            raise Unreachable(sandbox_id)
        return await listen(record)

    w.backend.heartbeat = heartbeat  # type: ignore[method-assign]


@virtual
async def test_every_box_hears_four_beats_in_its_watchdogs_time() -> None:
    """Warm and leased ones alike."""
    async with world(POLICY) as w:
        await settle()
        await w.pool.connect(key(), ["browser"])
        before = w.script.seen["heartbeat"]
        await asyncio.sleep(60.1)
        assert w.script.seen["heartbeat"] - before == 2 * 4


@virtual
async def test_one_slow_box_does_not_keep_others_waiting() -> None:
    """Beats run side by side, a bounded number at a time."""
    async with world(Policy(targets={"base": 40}, parallel=40), loops=False) as w:
        await settle()
        w.script.takes["heartbeat"] = 1.0
        began = asyncio.get_running_loop().time()
        await w.heartbeat.beat()
        assert asyncio.get_running_loop().time() - began == pytest.approx(3.0)  # 40 in groups of 16
        assert w.script.most_at_once["heartbeat"] == 16


@virtual
async def test_a_box_whose_container_is_gone_is_retired_at_the_first_missed_beat() -> None:
    """Even if the engine did not tell: the pool replaces it, its holder gets a typed error."""
    async with world(POLICY) as w:
        await settle()
        (warm,) = w.containers
        lease = await w.pool.connect(key(), ["browser"])
        leased = lease.sandboxes[0].sandbox_id
        for sandbox_id in (warm, leased):
            await w.backend.die(sandbox_id, quietly=True)
        await asyncio.sleep(15.1)
        assert (await w.pool.report()).types["base"].ready == 1
        assert warm not in w.containers
        with pytest.raises(SandboxDied, match="its container is gone; connect again"):
            await w.pool.sandbox(leased)
        assert (await w.pool.connect(key(), ["browser"])).sandboxes[0].sandbox_id != leased


@virtual
async def test_a_silent_warm_box_is_dropped_at_the_second_missed_beat() -> None:
    """Its container runs, and it is of no use."""
    async with world(POLICY) as w:
        await settle()
        (silent,) = w.containers
        deaf(w, silent)
        await asyncio.sleep(15.1)
        assert silent in w.containers
        await asyncio.sleep(15.0)
        assert silent not in w.containers
        assert (await w.pool.report()).types["base"].ready == 1


@virtual
async def test_a_silent_leased_box_is_left_to_its_holder() -> None:
    """It may be busy with their work; it is only told of."""
    async with world(Policy(watchdog=60.0, idle_timeout=10_000.0)) as w:
        lease = await w.pool.connect(key(), ["base"])
        deaf(w, lease.sandboxes[0].sandbox_id)
        await asyncio.sleep(60.0)
        assert await w.pool.leases() == [lease]
        assert w.happenings(SandboxSilent)


@virtual
async def test_one_missed_beat_is_forgiven() -> None:
    """Only misses in a row count."""
    async with world(POLICY, loops=False) as w:
        await settle()
        (box,) = w.containers
        for _ in range(5):
            w.script.errors["heartbeat"].append(BackendUnavailable("lost"))
            await w.heartbeat.beat()
            await w.heartbeat.beat()
        assert w.containers == {box}


@virtual
async def test_an_engine_that_does_not_answer_proves_no_death() -> None:
    """Neither box nor engine answers: nothing is known, and nothing is given up."""
    async with world(POLICY) as w:
        await settle()
        (box,) = w.containers
        w.script.broken["alive"] = w.script.broken["heartbeat"] = BackendUnavailable("away")
        await asyncio.sleep(120.0)
        assert w.containers == {box}
        assert (await w.pool.sandbox(box)).answers


@virtual
async def test_a_lost_watch_is_told_once_and_what_was_missed_is_looked_up() -> None:
    """The engine restarts: when its word comes again, the deaths in between are found by a look at it."""
    async with world(POLICY) as w:
        await settle()
        (box,) = w.containers
        ((_, _, news),) = w.backend.engine.watchers
        news.put_nowait(WatchLost("connection closed"))
        news.put_nowait(WatchLost("still away"))
        await w.backend.die(box, quietly=True)
        await settle()
        assert w.happenings(BackendLost) == [BackendLost("connection closed")]
        assert box in await w.records()
        news.put_nowait(WatchBegins())
        await settle()
        assert len(w.happenings(BackendBack)) == 1
        assert box not in await w.records()
        assert (await w.pool.report()).types["base"].ready == 1


@virtual
async def test_boxes_are_spoken_to_while_the_store_is_away() -> None:
    """By who led, to all that it knew of, and by everybody else, to what was used through them: none ends itself."""
    async with world(POLICY, loops=False) as w:
        await settle()
        lease = await w.pool.connect(key(), ["base"])
        await settle()
        await w.heartbeat.beat()
        follower = Heartbeat(replace(w.means, membership=Follows(), known=Known()), w.pool.retirement)
        follower._means.known.note(lease.sandboxes[0])
        w.script.seen.clear()
        await follower.beat()
        assert w.script.seen["heartbeat"] == 0, "another one leads, and does it"

        async def away() -> Never:
            raise StoreUnavailable("away")

        w.means.store.sandboxes = w.means.store.census = away  # type: ignore[method-assign]
        await w.heartbeat.beat()
        assert w.script.seen["heartbeat"] == 2
        await follower.beat()
        assert w.script.seen["heartbeat"] == 3
        del w.means.store.sandboxes, w.means.store.census


@virtual
async def test_a_box_that_ends_while_the_store_is_away_is_dealt_with_after_that() -> None:
    """That it is gone cannot be recorded now; the other boxes are spoken to nevertheless."""
    async with world(POLICY, loops=False) as w:
        await settle()
        lease = await w.pool.connect(key(), ["base"])
        await settle()
        await w.heartbeat.beat()
        (name,) = (record.sandbox_id for record in lease.sandboxes)
        await w.backend.die(name, quietly=True)

        async def away(*_: object, **__: object) -> Never:
            raise StoreUnavailable("away")

        kept = w.means.store.get
        w.means.store.get = away  # type: ignore[method-assign]
        await w.heartbeat.beat()
        w.means.store.get = kept  # type: ignore[method-assign]
        assert name in await w.records()
        await w.heartbeat.beat()
        await settle()
        assert name not in await w.records()
