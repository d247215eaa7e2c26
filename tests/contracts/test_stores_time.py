"""What every store promises about leases that sleep, are renewed, or last only for so long."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stores import (
    ALICE,
    BOB,
    CAROL,
    DEATH,
    ENDING,
    ME,
    NONE,
    claim,
    draft,
    ids,
    leased,
    starting,
    states,
    suspended,
    warm,
)

from agentscope_runtime.sandbox.errors import SandboxNotFound
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import Address, Census, State, Wish
from agentscope_runtime.sandbox_manager.stores import Claim, Store

NEVER = float("-inf")


async def test_idle_leases_are_suspended_as_a_whole(store: Store) -> None:
    """Activity in one sandbox keeps the whole lease; the lease is told as it was."""
    mine = await leased(store, ALICE, "base", "browser", now=100.0)
    _, browser = await leased(store, BOB, "base", "browser", now=100.0)
    await store.touch(browser, now=150.0)
    assert await store.suspend_idle(idle_since=99.0) == ()
    (idle,) = await store.suspend_idle(idle_since=100.0)
    assert idle.key == ALICE
    assert {record.sandbox_id for record in idle.sandboxes} == set(mine)
    assert {record.state for record in idle.sandboxes} == {State.LEASED}
    assert await store.suspend_idle(idle_since=100.0) == ()
    now = [await store.get(sandbox_id) for sandbox_id in mine]
    assert {(record.state, record.manager, record.key) for record in now} == {(State.SUSPENDING, ME, ALICE)}
    assert (await store.census())["base"] == Census(leased=1, suspending=1)


async def test_what_is_suspended_has_no_container_and_stays_in_its_lease(store: Store) -> None:
    """Its id, key, options and servers are kept; only what is SUSPENDING can become it, once."""
    (held,) = await leased(store, ALICE, "base")
    await store.change_mcp_servers(held, {"x": {"command": "a"}})
    assert await store.mark_suspended(held, now=200.0) is None
    await store.suspend_idle(idle_since=100.0)
    record = await store.mark_suspended(held, now=200.0)
    assert record is not None
    assert (record.state, record.suspended_at, record.key) == (State.SUSPENDED, 200.0, ALICE)
    assert (record.container_id, record.image_id, record.address) == ("", "", None)
    assert dict(record.mcp_servers) == {"x": {"command": "a"}}
    assert [lease.sandboxes for lease in await store.leases()] == [(record,)]
    assert await store.mark_suspended(held, now=300.0) is None
    assert await store.mark_suspended("sbx-unknown", now=300.0) is None
    assert (await store.census())["base"] == Census(suspended=1)


async def test_a_claim_starts_again_what_is_suspended(store: Store) -> None:
    """The same sandbox, although there is a warm one; with what the draft says, and a new generation."""
    held = await suspended(store, ALICE)
    await warm(store)
    assert await claim(store, ALICE, "base", drafts=False) == Claim()
    made = replace(draft(), image="newer", memory=7, manager="mgr-third")
    claimed = await store.claim(Wish(ALICE, ("base",)), {"base": made}, limits=NONE, now=300.0)
    (begun,) = claimed.begun
    assert claimed.awaited == (begun,)
    assert (begun.sandbox_id, begun.state, begun.restored, begun.key) == (held, State.STARTING, True, ALICE)
    assert (begun.image, begun.memory, begun.manager, begun.token) == ("newer", 7, "mgr-third", "token")
    again = await claim(store, ALICE, "base", now=301.0)
    assert (again.begun, again.awaited) == ((), (begun,))
    address = Address("172.20.0.2", 7000)
    await store.record_container(held, container_id="c2", image_id="i2", address=address)
    assert await store.mark_ready(held) is not None
    (record,) = (await claim(store, ALICE, "base", now=302.0)).granted
    assert (record.sandbox_id, record.state, record.generation, record.address) == (held, State.LEASED, 2, address)
    assert (record.leased_at, record.last_active_at, record.warm, record.restored) == (1.0, 302.0, False, True)


async def test_a_claim_waits_for_what_is_just_being_suspended(store: Store) -> None:
    """Its container has to go before another can have the workspace; then it is claimed again."""
    (held,) = await leased(store, ALICE, "base")
    await store.suspend_idle(idle_since=100.0)
    claimed = await claim(store, ALICE, "base")
    assert (claimed.lease, claimed.begun) == (None, ())
    assert [record.sandbox_id for record in claimed.awaited] == [held]
    await store.mark_suspended(held, now=200.0)
    assert [record.sandbox_id for record in (await claim(store, ALICE, "base")).begun] == [held]


async def test_what_starts_again_is_nobody_elses(store: Store) -> None:
    """It is not swapped with another's that is ready first, and serves nobody who waits longer."""
    held = await suspended(store, ALICE)
    (for_bob,) = (await claim(store, BOB, "base")).begun
    await claim(store, ALICE, "base")
    ready = await store.mark_ready(held)
    assert ready is not None
    assert ready.key == ALICE
    free = await starting(store)
    assert await store.mark_ready(free) is not None
    assert (await store.get(free)).key == BOB
    assert (await store.get(for_bob.sandbox_id)).key is None


async def test_what_starts_again_is_not_given_back(store: Store) -> None:
    """Who leaves meanwhile keeps it: their work is in it. Ready and unused, it is suspended again."""
    held = await suspended(store, ALICE)
    await claim(store, ALICE, "base", "browser", now=300.0)
    given = await store.give_back(ALICE, ["base", "browser"])
    assert given.ended == ()
    assert (await store.get(held)).key == ALICE
    assert await store.suspend_idle(idle_since=300.0) == ()  # it cannot be suspended while it starts
    await store.mark_ready(held)
    assert (await store.get(held)).key == ALICE
    assert await store.suspend_idle(idle_since=299.0) == ()
    ((again,),) = [lease.sandboxes for lease in await store.suspend_idle(idle_since=300.0)]
    assert (again.sandbox_id, again.state) == (held, State.WARM)
    assert (await store.mark_suspended(held, now=400.0)) is not None


async def test_a_start_again_that_fails_leaves_it_suspended(store: Store) -> None:
    """The workspace outlives an engine that was away; a first start that fails is not this."""
    held = await suspended(store, ALICE, now=200.0)
    (begun,) = (await claim(store, ALICE, "base")).begun
    record = await store.mark_suspended(begun.sandbox_id, now=500.0)
    assert record is not None
    assert (record.state, record.suspended_at) == (State.SUSPENDED, 500.0)
    assert (await claim(store, ALICE, "base")).begun[0].sandbox_id == held
    assert await store.mark_suspended(await starting(store), now=500.0) is None


async def test_a_touch_tells_what_has_to_be_claimed_first(store: Store) -> None:
    """An old handle of a suspended sandbox gets the record as it is, through all of its way back."""
    (held,) = await leased(store, ALICE, "base")
    await store.suspend_idle(idle_since=100.0)
    seen = [await store.touch(held, now=500.0)]
    await store.mark_suspended(held, now=200.0)
    seen.append(await store.touch(held, now=500.0))
    await claim(store, ALICE, "base", now=300.0)
    seen.append(await store.touch(held, now=500.0))
    await store.mark_ready(held)
    seen.append(await store.touch(held, now=500.0))
    assert [record.state for record in seen] == [State.SUSPENDING, State.SUSPENDED, State.STARTING, State.WARM]
    assert [record.last_active_at for record in seen] == [100.0, 100.0, 300.0, 300.0]
    assert ids(await claim(store, ALICE, "base")) == [held]
    assert (await store.touch(held, now=500.0)).state is State.LEASED


async def test_only_what_is_asked_for_wakes(store: Store) -> None:
    """The rest of the lease sleeps on, and the lease counts as used."""
    await leased(store, ALICE, "base", "browser")
    (idle,) = await store.suspend_idle(idle_since=100.0)
    for record in idle.sandboxes:
        await store.mark_suspended(record.sandbox_id, now=200.0)
    (base,) = (await claim(store, ALICE, "base", now=300.0)).begun
    await store.mark_ready(base.sandbox_id)
    await claim(store, ALICE, "base", now=300.0)
    (lease,) = await store.leases()
    kinds = {record.sandbox_type: record.state for record in lease.sandboxes}
    assert kinds == {"base": State.LEASED, "browser": State.SUSPENDED}
    assert await store.end_expired(now=0.0, suspended_before=1000.0, ending=ENDING) == ()
    (ended,) = await store.end_idle(idle_since=300.0, ending=ENDING)
    assert len(ended.sandboxes) == 2


async def test_ending_a_lease_ends_what_sleeps_in_it(store: Store) -> None:
    """Suspended, being suspended, or starting again: all of it has to be destroyed, and says why it ended."""
    held = await suspended(store, ALICE)
    (browser,) = await leased(store, ALICE, "browser")
    await store.suspend_idle(idle_since=100.0)
    ended = (await store.end_lease(ALICE, ENDING)).ended
    assert {record.sandbox_id for record in ended} == {held, browser}
    assert await store.mark_suspended(browser, now=200.0) is None
    with pytest.raises(SandboxNotFound, match="was released"):
        await store.touch(held, now=500.0)
    again = await suspended(store, BOB)
    await claim(store, BOB, "base")
    assert [record.sandbox_id for record in (await store.end_lease(BOB, ENDING)).ended] == [again]


async def test_a_lease_may_sleep_only_so_long(store: Store) -> None:
    """From when the last of it was suspended; while any of it runs, or is on its way, it does not sleep."""
    await leased(store, ALICE, "base", "browser")
    (idle,) = await store.suspend_idle(idle_since=100.0)
    first, second = (record.sandbox_id for record in idle.sandboxes)
    await store.mark_suspended(first, now=200.0)
    assert await store.end_expired(now=0.0, suspended_before=1000.0, ending=ENDING) == ()
    await store.mark_suspended(second, now=300.0)
    assert await store.end_expired(now=0.0, suspended_before=299.0, ending=ENDING) == ()
    (ended,) = await store.end_expired(now=0.0, suspended_before=300.0, ending=ENDING)
    assert {record.state for record in ended.sandboxes} == {State.SUSPENDED}
    assert set((await states(store)).values()) == {State.STOPPING}
    assert not await store.leases()


async def test_a_lease_ends_when_its_life_does(store: Store) -> None:
    """However much it is used; what joins it later ends with it."""
    await warm(store)
    wish = Wish(ALICE, ("base",), life=60.0)
    await store.claim(wish, {}, limits=NONE, now=100.0)
    await warm(store, "browser")
    lease = (await store.claim(Wish(ALICE, ("base", "browser"), life=60.0), {}, limits=NONE, now=150.0)).lease
    assert lease is not None
    assert [record.expires_at for record in lease.sandboxes] == [160.0, 160.0]
    await leased(store, BOB, "base")
    assert await store.end_expired(now=159.0, suspended_before=NEVER, ending=ENDING) == ()
    (ended,) = await store.end_expired(now=160.0, suspended_before=NEVER, ending=ENDING)
    assert (ended.key, len(ended.sandboxes)) == (ALICE, 2)
    assert [lease.key for lease in await store.leases()] == [BOB]


async def test_a_lease_is_renewed(store: Store) -> None:
    """As a whole, with what sleeps in it, to later or earlier, or to no end; who has none hears that."""
    await suspended(store, ALICE)
    await leased(store, ALICE, "browser")
    lease = await store.renew(ALICE, expires_at=500.0)
    assert lease is not None
    assert [record.expires_at for record in lease.sandboxes] == [500.0, 500.0]
    assert await store.leases() == [lease]
    await store.renew(ALICE, expires_at=900.0)
    assert await store.end_expired(now=500.0, suspended_before=NEVER, ending=ENDING) == ()
    await store.renew(ALICE, expires_at=None)
    assert await store.end_expired(now=1e9, suspended_before=NEVER, ending=ENDING) == ()
    await store.renew(ALICE, expires_at=200.0)
    assert len(await store.end_expired(now=1e9, suspended_before=NEVER, ending=ENDING)) == 1
    assert await store.renew(ALICE, expires_at=1.0) is None
    await claim(store, BOB, "base")
    assert await store.renew(BOB, expires_at=1.0) is None, "what is promised is no lease yet"


async def test_what_is_paused_thaws_by_a_touch_or_a_claim(store: Store) -> None:
    """Whoever uses it next is told, once; activity keeps it from being paused."""
    (mine,), (theirs,) = await leased(store, ALICE, "base", now=100.0), await leased(store, BOB, "base", now=150.0)
    await suspended(store, CAROL)
    (paused,) = await store.pause_idle(idle_since=100.0)
    assert (paused.sandbox_id, paused.paused, paused.state) == (mine, True, State.LEASED)
    assert await store.pause_idle(idle_since=100.0) == ()
    assert (await store.get(mine)).paused
    assert [(await store.touch(mine, now=now)).paused for now in (200.0, 201.0)] == [True, False]
    assert not (await store.get(mine)).paused
    assert [record.sandbox_id for record in await store.pause_idle(idle_since=200.0)] == [theirs]
    for expected in (True, False):
        lease = (await claim(store, BOB, "base", now=300.0)).lease
        assert lease is not None
        assert lease.sandboxes[0].paused is expected


async def test_what_was_paused_is_suspended_all_the_same(store: Store) -> None:
    """The lease as it was says that it has to be thawed for its farewells."""
    (held,) = await leased(store, ALICE, "base")
    await store.pause_idle(idle_since=100.0)
    (idle,) = await store.suspend_idle(idle_since=100.0)
    assert idle.sandboxes[0].paused
    record = await store.mark_suspended(held, now=200.0)
    assert record is not None
    assert not record.paused


async def test_one_that_dies_on_its_way_back_leaves_its_servers(store: Store) -> None:
    """As one that dies while it is leased does."""
    options = LeaseOptions(mcp_servers={"x": {"command": "a"}})
    await warm(store)
    (held,) = ids(await claim(store, ALICE, "base", options=options))
    await store.suspend_idle(idle_since=100.0)
    await store.mark_suspended(held, now=200.0)
    await claim(store, ALICE, "base")
    await store.mark_stopping(held, DEATH)
    await warm(store)
    (fresh,) = ids(await claim(store, ALICE, "base"))
    assert dict((await store.get(fresh)).mcp_servers) == {"x": {"command": "a"}}
