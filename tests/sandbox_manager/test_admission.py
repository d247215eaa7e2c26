"""Who waits for room, and who gets it."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import filled, key, world
from lines import GIB, asks, full_at, now
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import (
    BackendUnavailable,
    Draining,
    PoolExhausted,
    QuotaExceeded,
    Unavailable,
)
from agentscope_runtime.sandbox_manager.admission import LOOK_AGAIN
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import Ending, Limits, State


@virtual
async def test_who_waits_gets_the_room_of_who_leaves() -> None:
    """As soon as there is some, not at the next look."""
    async with world(full_at(1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        waiting = asks(w, "s2")
        await asyncio.sleep(3)
        assert not waiting.done()
        await w.pool.release(key("s1"))
        began = now()
        lease = await waiting
        assert (lease.key, now()) == (key("s2"), began)


@virtual
async def test_users_take_turns() -> None:
    """One who asks four times does not keep another waiting for all four."""
    async with world(full_at(1, parallel=1)) as w:
        await w.pool.connect(key("s0", "owner"), ["base"])
        served: list[str] = []
        for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1"):
            asks(w, name, name[0]).add_done_callback(lambda call: served.append(call.result().key.session_id))
        await settle()
        await w.pool.release(key("s0", "owner"))
        for number in range(7):
            await settle()
            assert len(served) == number + 1
            await w.pool.release(key(served[-1], served[-1][0]))
        assert served == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


@virtual
async def test_nobody_overtakes_who_waits_for_the_same() -> None:
    """Not even between the room's coming and its being taken; what one holds one gets all the same."""
    async with world(full_at(2)) as w:
        await w.pool.connect(key("s1"), ["base"])
        await w.pool.connect(key("s2"), ["base"])
        first = asks(w, "s3", "u3")
        await settle()
        await w.pool.release(key("s1"))  # nothing else ran yet: the room is there, and not taken
        with pytest.raises(PoolExhausted):
            await w.pool.connect(key("s4", "u4"), ["base"])
        assert (await w.pool.connect(key("s2"), ["base"])).key == key("s2")
        assert (await first).key == key("s3", "u3")


@virtual
async def test_a_warm_one_is_for_who_waits() -> None:
    """A sandbox that becomes free while somebody waits is not for who comes then."""
    async with world(full_at(1, targets={"base": 1})) as w:
        w.script.takes["start"] = 5.0
        leaver = asks(w, "s1", "u1", ["browser"])
        await asyncio.sleep(1)
        waiter = asks(w, "s2", "u2", ["browser"])
        await settle()
        leaver.cancel()  # what was starting for it is free, for the moment
        await asyncio.gather(leaver, return_exceptions=True)
        with pytest.raises(PoolExhausted):
            await w.pool.connect(key("s3", "u3"), ["browser"])
        assert (await waiter).key == key("s2", "u2")


@virtual
async def test_who_lacks_something_else_is_in_nobodys_way() -> None:
    """A user over quota holds up that user, a kind that is full holds up that kind."""
    async with world(Policy(limits=Limits(per_user=1, types={"browser": 1}))) as w:
        await w.pool.connect(key("a1", "a"), ["browser"])
        over_quota, no_browser = asks(w, "a2", "a"), asks(w, "b1", "b", ["browser"])
        await settle()
        assert (await w.pool.connect(key("c1", "c"), ["base"])).key == key("c1", "c")
        with pytest.raises(QuotaExceeded):
            await w.pool.connect(key("a3", "a"), ["base"])
        with pytest.raises(PoolExhausted, match="MAX_SANDBOXES_BY_TYPE"):
            await w.pool.connect(key("d1", "d"), ["browser"])
        await w.pool.release(key("c1", "c"))
        await settle()
        assert not over_quota.done() and not no_browser.done()
        await w.pool.release(key("a1", "a"))
        assert (await over_quota).key == key("a2", "a")
        assert (await no_browser).key == key("b1", "b")


@virtual
async def test_memory_is_waited_for_too() -> None:
    """Until enough of it is free; a smaller call does not slip in before a larger one."""
    async with world(Policy(limits=Limits(memory=3 * GIB))) as w:  # each has 1 GiB
        for number in range(3):
            await w.pool.connect(key(f"s{number}"), ["base"])
        large, small = asks(w, "large", "a", ["base", "browser"]), asks(w, "small", "b")
        await settle()
        await w.pool.release(key("s0"))
        await settle()
        assert not large.done() and not small.done()
        await w.pool.release(key("s1"))
        await large
        await settle()
        assert not small.done()
        await w.pool.release(key("s2"))
        await small


@virtual
async def test_who_leaves_is_out_of_the_line() -> None:
    """The next one gets what would have been the leaver's."""
    async with world(full_at(1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        leaver, other = asks(w, "s2"), asks(w, "s3")
        await settle()
        leaver.cancel()
        await settle()
        assert (await w.pool.report()).queue.waiting == 1
        await w.pool.release(key("s1"))
        assert (await other).key == key("s3")
        assert len(await w.pool.leases()) == 1


@virtual
async def test_who_leaves_when_its_turn_has_come_passes_it_on() -> None:
    """The room is not lost with it."""
    async with world(full_at(1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        leaver, other = asks(w, "s2"), asks(w, "s3")
        await settle()
        await w.pool.release(key("s1"))
        leaver.cancel()  # it was called, and did not run yet
        assert (await other).key == key("s3")


@virtual
async def test_a_turn_whose_start_fails_is_no_end_of_the_line() -> None:
    """The caller is told, and the next one tries."""
    async with world(full_at(1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        first, second = asks(w, "s2", "a"), asks(w, "s3", "b")
        await settle()
        w.script.errors["create"].append(BackendUnavailable("no Docker"))
        await w.pool.release(key("s1"))
        with pytest.raises(BackendUnavailable):
            await first
        assert (await second).key == key("s3", "b")


@virtual
async def test_the_pool_leaves_room_to_who_waits() -> None:
    """It starts nothing in the room of a session that waits, and fills again after that."""
    async with world(Policy(targets={"base": 1}, limits=Limits(total=2, types={"browser": 1}))) as w:
        await filled(w)
        await w.pool.connect(key("s1"), ["browser"])
        await w.pool.connect(key("s2"), ["base"])
        waiting = asks(w, "s3", "u3", ["extra"])
        await settle()
        created = w.script.seen["create"]
        await w.pool.release(key("s2"))
        await waiting
        assert w.script.seen["create"] == created + 1, "the pool started one, too, and it had to go again"
        await w.pool.release(key("s1"))
        await filled(w)


@virtual
async def test_a_second_call_of_a_session_shares_what_the_first_gets() -> None:
    """It needs no room of its own, so it does not wait for any."""
    async with world(full_at(2)) as w:
        await w.pool.connect(key("s1"), ["base"])
        await w.pool.connect(key("s2"), ["base"])
        first, other, second = asks(w, "s3", "a"), asks(w, "s4", "b"), asks(w, "s3", "a")
        await settle()
        await w.pool.release(key("s1"))
        assert await first == await second
        await settle()
        assert not other.done()
        other.cancel()


@virtual
async def test_a_release_and_the_end_of_the_manager_end_the_waiting() -> None:
    """Nobody waits for what will never come."""
    async with world(full_at(1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        released, left = asks(w, "s2"), asks(w, "s3")
        await settle()
        await w.pool.release(key("s2"))
        with pytest.raises(Unavailable, match="was released while it was being connected"):
            await released
        await w.pool.aclose(destroy=False, within=0)
        with pytest.raises(Unavailable, match="is about to end"):
            await left


@virtual
async def test_word_that_was_lost_costs_seconds_only() -> None:
    """The first in line tries by itself now and then."""
    async with world(Policy(limits=Limits(types={"base": 1}))) as w:
        lease = await w.pool.connect(key("s1"), ["base"])
        waiting = asks(w, "s2")
        await settle()
        await w.pool.store.mark_stopping(
            lease.sandboxes[0].sandbox_id, Ending("ended elsewhere")
        )  # nobody says so here
        await waiting
        assert 0 < now() <= LOOK_AGAIN
        assert [record.state for record in await w.pool.sandboxes() if record.key == key("s2")] == [State.LEASED]
        w.pool.retirement.destroy(lease.sandboxes, Ending("ended elsewhere"))


@virtual
async def test_a_manager_that_is_about_to_end_sends_the_line_away() -> None:
    """Those who wait, at once, and those who would; what needs no room is given still."""
    async with world(full_at(1)) as w:
        await w.pool.connect(key("s1"), ["base"])
        waiting = asks(w, "s2")
        await settle()
        w.pool.admission.close(Draining("goes", retry_after=1.0))
        for call in (waiting, asks(w, "s3")):
            with pytest.raises(Draining, match="goes"):
                await call
        assert now() == 0
        assert (await w.pool.connect(key("s1"), ["base"])).key == key("s1")
