"""Starts that fail, sandboxes that die, and pools that stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_pool import filled, ids, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable, ImageMissing, SandboxDied, StartFailed, Unavailable
from agentscope_runtime.sandbox_manager.events import SandboxStopping
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.verdicts import Verdicts


@virtual
async def test_a_missing_image_says_how_to_make_it_and_gives_back_the_rest() -> None:
    """One kind cannot start: the connect fails, and the other kind's warm member is free again, not lost."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)
        w.backend.engine.missing_images.add("image-browser")
        with pytest.raises(ImageMissing, match="make images"):
            await w.pool.connect(key(), ["base", "browser"])
        report = await w.pool.report()
        assert (report.types["base"].ready, report.types["base"].leased) == (1, 0)
        assert report.types["browser"].failures.count == 1
        assert "make images" in report.types["browser"].failures.reason
        assert not await w.pool.leases()


@virtual
async def test_one_failed_start_is_made_good_by_a_second() -> None:
    """A start that fails by bad luck is repeated within the same connect."""
    async with world() as w:
        w.script.errors["ready"].append(StartFailed("bad luck"))
        lease = await w.pool.connect(key(), ["base"])
        await settle()
        assert w.script.seen["create"] == 2
        assert w.containers == set(ids(lease))


@virtual
async def test_a_start_that_keeps_failing_says_why_with_its_last_lines() -> None:
    """The error carries what the box said, and nothing is left on the engine."""
    async with world() as w:
        w.script.broken["ready"] = StartFailed("the kernel is missing")
        with pytest.raises(StartFailed, match=r"the kernel is missing; its last lines: the fake box said") as failed:
            await w.pool.connect(key(), ["base"])
        assert "base sandbox sbx-" in failed.value.detail
        await settle()
        assert not w.containers
        assert not await w.records()


@virtual
async def test_an_engine_that_is_down_is_a_typed_error() -> None:
    """Docker does not answer: BackendUnavailable, at once."""
    async with world() as w:
        w.script.broken["create"] = BackendUnavailable("no Docker")
        with pytest.raises(BackendUnavailable, match="no Docker"):
            await w.pool.connect(key(), ["base"])


@virtual
async def test_a_leased_box_that_dies_is_a_typed_error_and_reconnect_gives_a_fresh_one() -> None:
    """The engine tells of the death at once; the next look says so, and connecting again helps."""
    async with world() as w:
        (dead,) = ids(await w.pool.connect(key(), ["base"]))
        await w.backend.die(dead)
        await settle()
        with pytest.raises(SandboxDied, match="exit code 137; connect again"):
            await w.pool.sandbox(dead)
        (fresh,) = ids(await w.pool.connect(key(), ["base"]))
        assert fresh != dead
        assert fresh in w.containers


@virtual
async def test_a_warm_member_that_dies_is_replaced_and_not_handed_out() -> None:
    """A death in the pool is known before the next claim."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)
        (dead,) = w.containers
        await w.backend.die(dead)
        await settle()  # the engine's word arrives
        assert ids(await w.pool.connect(key(), ["base"])) != [dead]


@virtual
async def test_a_promised_member_that_dies_is_made_good() -> None:
    """A warm sandbox dies while its session still waits for its other kind: another one takes its place."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)
        (dead,) = w.containers
        w.script.takes["ready"] = 5.0
        waiting = asyncio.create_task(w.pool.connect(key(), ["base", "browser"]))
        await asyncio.sleep(1.0)
        await w.backend.die(dead)
        lease = await waiting
        assert dead not in ids(lease)
        assert set(ids(lease)) <= w.containers


@virtual
async def test_a_silent_death_is_found_out_by_whoever_calls() -> None:
    """The engine did not tell: the verdict on a box that does not answer looks at the container."""
    async with world(loops=False) as w:
        lease = await w.pool.connect(key(), ["base"])
        (record,) = lease.sandboxes
        await w.backend.die(record.sandbox_id, quietly=True)
        assert isinstance(await Verdicts(w.means, w.pool.retirement)(record), SandboxDied)
        with pytest.raises(SandboxDied):
            await w.pool.sandbox(record.sandbox_id)


@virtual
async def test_the_verdict_on_a_box_that_lives_is_unavailable() -> None:
    """Its container runs: nobody claims that it died, and its lease stays."""
    async with world() as w:
        lease = await w.pool.connect(key(), ["base"])
        verdict = await Verdicts(w.means, w.pool.retirement)(lease.sandboxes[0])
        assert type(verdict) is Unavailable
        assert await w.pool.leases() == [lease]


@virtual
async def test_open_connections_hear_of_the_end() -> None:
    """Whoever relays a desktop subscribes; a release says which sandbox stops, and for whom."""
    async with world() as w:
        lease = await w.pool.connect(key(), ["base"])
        heard: list[Any] = []
        with w.pool.events.subscribed(heard.append):
            await w.pool.release(key())
        (stopping,) = [event for event in heard if isinstance(event, SandboxStopping)]
        assert (stopping.sandbox_id, stopping.key, stopping.died) == (ids(lease)[0], key(), False)


@virtual
async def test_stopping_ends_waiting_callers_and_destroys_everything() -> None:
    """A pool that closes leaves no container, and nobody waiting."""
    async with world(Policy(targets={"base": 2}, parallel=1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        w.script.takes["start"] = 5.0
        waiting = asyncio.create_task(w.pool.connect(key("s2"), ["browser"]))
        await asyncio.sleep(1.0)
        assert await w.pool.aclose(destroy=True, within=10) == 0
        with pytest.raises(Unavailable, match="about to end"):
            await waiting
        assert not w.containers
        with pytest.raises(Unavailable, match="about to end"):
            await w.pool.connect(key("s3"), ["base"])


@virtual
async def test_a_removal_that_fails_is_tried_again_until_it_works() -> None:
    """An engine that is away for a while does not make us forget a container."""
    async with world() as w:
        lease = await w.pool.connect(key(), ["base"])
        w.script.errors["remove"] += [BackendUnavailable("away")] * 3
        await w.pool.release(key())
        await asyncio.sleep(0.5 + 1 + 2 - 0.1)
        assert w.containers == set(ids(lease))
        await asyncio.sleep(0.2)
        assert not w.containers
