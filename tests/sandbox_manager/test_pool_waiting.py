"""Sessions that wait for the pool: who is served when, and what those who leave give back."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import filled, ids, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import PoolExhausted, StartFailed, Unavailable
from agentscope_runtime.sandbox_manager.events import LeaseGranted
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import Limits


@virtual
async def test_100_concurrent_connects_of_one_key_make_one_lease() -> None:
    """However many ask for one session at once, one sandbox is started, and all get it."""
    async with world() as w:
        w.script.takes["start"] = 1.0
        leases = await asyncio.gather(*(w.pool.connect(key(), ["base"]) for _ in range(100)))
        assert len({tuple(ids(lease)) for lease in leases}) == 1
        assert w.script.seen["create"] == 1
        assert len(w.happenings(LeaseGranted)) == 1


@virtual
async def test_20_sessions_on_a_pool_of_3_are_all_served_in_turn() -> None:
    """Without a limit everybody is served; starts are capped, and sessions come before the pool."""
    async with world(Policy(targets={"base": 3}, parallel=2)) as w:
        await filled(w, ready=3)
        w.script.takes["ready"] = 1.0
        order: list[int] = []

        async def session(number: int) -> None:
            await w.pool.connect(key(f"s{number}"), ["base"])
            order.append(number)

        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(session(number) for number in range(20)))
        assert order == list(range(20))
        assert w.script.most_at_once["ready"] == 2
        # 17 starts, two at a time, and none of the pool's own in between.
        assert asyncio.get_running_loop().time() - began == pytest.approx(9.0)


@virtual
async def test_a_waiting_session_is_served_by_whatever_is_ready_first() -> None:
    """A refill that is nearly done serves the session, whatever else is started."""
    async with world(Policy(targets={"base": 1}, parallel=4)) as w:
        w.script.takes["ready"] = 10.0
        await asyncio.sleep(9.0)  # the refill's start has one second to go
        began = asyncio.get_running_loop().time()
        lease = await w.pool.connect(key(), ["base"])
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)
        assert not lease.sandboxes[0].warm


@virtual
async def test_a_faster_start_serves_the_longest_waiting() -> None:
    """If the start that was made for the second session is ready first, the first session gets it."""
    async with world(Policy(parallel=4)) as w:
        gate = w.script.gates["ready"] = asyncio.Event()
        first = asyncio.create_task(w.pool.connect(key("s1"), ["base"]))
        await settle()
        del w.script.gates["ready"]
        second = asyncio.create_task(w.pool.connect(key("s2"), ["base"]))
        await settle()
        assert first.done()
        assert not second.done()
        gate.set()
        assert ids(await second) != ids(await first)
        assert len(w.containers) == 2


@virtual
async def test_the_limit_refuses_and_says_when_to_come_again() -> None:
    """At the limit a connect fails at once with a retry time, and changes nothing: neither kind is held."""
    async with world(Policy(limits=Limits(2))) as w:
        await w.pool.connect(key("s1"), ["base"])
        with pytest.raises(PoolExhausted, match="MAX_SANDBOX_INSTANCES") as refused:
            await w.pool.connect(key("s2"), ["base", "browser"])
        assert refused.value.extras["retry_after"] > 0
        assert len(w.containers) == 1
        await w.pool.connect(key("s3"), ["browser"])  # the place that s2 did not take


@virtual
async def test_a_lease_displaces_a_warm_member_of_another_kind() -> None:
    """A full pool of one kind does not lock out sessions of another; never are there more containers than allowed."""
    async with world(Policy(targets={"base": 2}, limits=Limits(2))) as w:
        await filled(w, ready=2)
        w.script.takes["remove"] = 1.0
        most = 0

        def count(event: object) -> None:
            nonlocal most
            most = max(most, len(w.containers))

        with w.pool.events.subscribed(count):
            began = asyncio.get_running_loop().time()
            lease = await w.pool.connect(key(), ["browser"])
        assert lease.sandboxes[0].sandbox_type == "browser"
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)  # the displaced one had to go first
        assert most == 2
        report = await w.pool.report()
        assert (report.types["base"].ready, report.types["base"].starting) == (1, 0)


@virtual
async def test_release_gives_room_to_the_next_session() -> None:
    """After a release at the limit, the next connect is admitted, and its start waits for the removal."""
    async with world(Policy(limits=Limits(1))) as w:
        await w.pool.connect(key("s1"), ["base"])
        w.script.takes["remove"] = 0.2
        await w.pool.release(key("s1"))
        began = asyncio.get_running_loop().time()
        await w.pool.connect(key("s2"), ["base"])
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.2)


@virtual
async def test_a_connect_ends_with_the_start_timeout() -> None:
    """A box that never gets ready ends the connect when the time is over, and its container goes."""
    async with world(Policy(start_timeout=60.0)) as w:
        w.script.gates["ready"] = asyncio.Event()
        began = asyncio.get_running_loop().time()
        with pytest.raises(StartFailed, match="within 60 s"):
            await w.pool.connect(key(), ["base"])
        assert asyncio.get_running_loop().time() - began == pytest.approx(60.0)
        await settle()
        assert not w.containers


@virtual
async def test_a_start_that_hangs_does_not_hold_up_other_kinds() -> None:
    """After ten seconds a hanging start frees its slot."""
    async with world(Policy(parallel=1)) as w:
        w.script.gates["ready"] = asyncio.Event()
        stuck = asyncio.create_task(w.pool.connect(key("s1"), ["browser"]))
        await settle()
        del w.script.gates["ready"]
        began = asyncio.get_running_loop().time()
        await w.pool.connect(key("s2"), ["base"])
        assert asyncio.get_running_loop().time() - began == pytest.approx(10.0)
        stuck.cancel()


@virtual
async def test_a_cancelled_caller_gives_its_place_back() -> None:
    """Who leaves while a start is under way leaves nothing behind: no lease, no record, no container."""
    async with world(Policy(limits=Limits(1))) as w:
        w.script.takes["start"] = 5.0
        waiting = asyncio.create_task(w.pool.connect(key("s1"), ["base"]))
        await asyncio.sleep(1.0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await settle()
        assert not w.containers
        assert not await w.records()
        await w.pool.connect(key("s2"), ["base"])


@virtual
async def test_a_cancelled_caller_takes_nothing_from_others_of_its_key() -> None:
    """Of two callers of one key one leaves; the other still gets the one sandbox."""
    async with world() as w:
        w.script.takes["start"] = 5.0
        leaving, staying = (asyncio.create_task(w.pool.connect(key(), ["base"])) for _ in range(2))
        await asyncio.sleep(1.0)
        leaving.cancel()
        assert len(ids(await staying)) == 1
        assert w.script.seen["create"] == 1


@virtual
async def test_what_a_cancelled_caller_waited_for_serves_the_pool() -> None:
    """Its start goes on where the pool has a use for it."""
    async with world(Policy(targets={"base": 1})) as w:
        w.script.takes["start"] = 5.0
        await settle()
        (refilled,) = await w.records()
        waiting = asyncio.create_task(w.pool.connect(key(), ["base"]))
        await asyncio.sleep(1.0)
        waiting.cancel()
        await filled(w)
        assert set(await w.records()) == {refilled}


@virtual
async def test_release_ends_a_connect_that_is_under_way() -> None:
    """A release while the lease is being made must not leave it to nobody."""
    async with world() as w:
        w.script.takes["start"] = 5.0
        waiting = asyncio.create_task(w.pool.connect(key(), ["base"]))
        await asyncio.sleep(1.0)
        await w.pool.release(key())
        with pytest.raises(Unavailable, match="connect again"):
            await waiting
        await settle()
        assert not w.containers
