"""What every store promises about what is given back, ends, or is only counted."""

from __future__ import annotations

import pytest
from stores import ALICE, BOB, CAROL, DEATH, ENDING, claim, ids, leased, starting, states, warm

from agentscope_runtime.sandbox.errors import SandboxDied, SandboxNotFound
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import Address, Census, LeaseKey, State
from agentscope_runtime.sandbox_manager.stores import GivenBack, Store


async def test_giving_back_undoes_promises_and_no_lease(store: Store) -> None:
    """Who leaves frees what it was promised, ready or not; what it has leased stays."""
    (base,) = await leased(store, ALICE, "base")
    browser = await warm(store, "browser")
    await claim(store, ALICE, "base", "browser", "extra")
    await store.give_back(ALICE, ["base", "browser", "extra"])
    census = await store.census()
    assert (census["browser"].ready, census["extra"].unclaimed) == (1, 1)
    assert ids(await claim(store, ALICE, "base")) == [base]
    claimed = await claim(store, BOB, "browser")
    assert ids(claimed) == [browser]
    assert claimed.granted[0].warm


async def test_giving_back_only_what_is_named(store: Store) -> None:
    """Another call of the same key waits for the other kind."""
    claimed = await claim(store, ALICE, "base", "browser")
    await store.give_back(ALICE, ["base"])
    keys = {record.sandbox_type: record.key for record in await store.sandboxes()}
    assert keys == {"base": None, "browser": ALICE}
    assert len(claimed.begun) == 2


async def test_what_is_given_back_ready_serves_who_waits(store: Store) -> None:
    """The one that waits longest gets it, and is named, so that it can be told."""
    free = await warm(store)
    await claim(store, ALICE, "base", "browser")
    (for_bob,) = (await claim(store, BOB, "base")).begun
    assert (await store.give_back(ALICE, ["base", "browser"])).served == (BOB,)
    assert ids(await claim(store, BOB, "base")) == [free]
    assert (await store.get(for_bob.sandbox_id)).key is None


async def test_a_container_is_recorded_while_it_starts(store: Store) -> None:
    """Its id, image and address; not of one that was given up meanwhile."""
    sandbox_id = await starting(store)
    address = Address("172.20.0.2", 7000, 7001)
    record = await store.record_container(sandbox_id, container_id="c1", image_id="sha256:1", address=address)
    assert record == await store.get(sandbox_id)
    assert record is not None
    assert (record.container_id, record.image_id, record.address) == ("c1", "sha256:1", address)
    await store.mark_stopping(sandbox_id, ENDING)
    assert await store.record_container(sandbox_id, container_id="c2", image_id="", address=address) is None
    assert await store.mark_ready(sandbox_id) is None
    assert await store.record_container("sbx-unknown", container_id="c2", image_id="", address=address) is None
    assert await store.mark_ready("sbx-unknown") is None


async def test_a_container_recorded_for_a_waiting_session_keeps_its_place(store: Store) -> None:
    """What happens to a start does not change who has waited longest."""
    (for_alice,) = (await claim(store, ALICE, "base")).begun
    (for_bob,) = (await claim(store, BOB, "base")).begun
    address = Address("172.20.0.2", 7000)
    await store.record_container(for_alice.sandbox_id, container_id="c", image_id="i", address=address)
    ready = await store.mark_ready(for_bob.sandbox_id)
    assert ready is not None
    assert ready.key == ALICE


async def test_a_sandbox_is_taken_out_of_use_once(store: Store) -> None:
    """The first who does it gets the last record in use, with its holder; the second gets None."""
    (held,) = await leased(store, ALICE, "base")
    last = await store.mark_stopping(held, DEATH)
    assert last is not None
    assert (last.state, last.key) == (State.LEASED, ALICE)
    assert await store.mark_stopping(held, ENDING) is None
    assert await store.mark_stopping("sbx-unknown", ENDING) is None
    assert not await store.leases()


async def test_an_ended_sandbox_says_why_even_when_it_is_forgotten(store: Store) -> None:
    """Died and released are different errors; so is never having been."""
    died, released = await leased(store, ALICE, "base", "browser")
    await store.mark_stopping(died, DEATH)
    await store.end_lease(ALICE, ENDING)
    for _ in range(2):
        with pytest.raises(SandboxDied, match="exit code 137; connect again"):
            await store.get(died)
        with pytest.raises(SandboxDied):
            await store.touch(died, now=1.0)
        with pytest.raises(SandboxNotFound, match="was released"):
            await store.get(released)
        await store.forget(died)
        await store.forget(released)
    with pytest.raises(SandboxNotFound, match="there is no sandbox"):
        await store.get("sbx-unknown")
    assert not await store.sandboxes()


async def test_a_dead_sandbox_leaves_its_lease_and_is_replaced(store: Store) -> None:
    """The other kinds stay as they are."""
    dead, browser = await leased(store, ALICE, "base", "browser")
    await store.mark_stopping(dead, DEATH)
    (lease,) = await store.leases()
    assert [record.sandbox_id for record in lease.sandboxes] == [browser]
    fresh = await warm(store)
    assert ids(await claim(store, ALICE, "base", "browser")) == [fresh, browser]


async def test_the_last_that_is_forgotten_leaves_its_volume(store: Store) -> None:
    """Said once, of what all of a lease shared, whoever goes last; a workspace of one's own is no volume."""
    shared = LeaseOptions(shared_workspace=True)
    begun = (await claim(store, ALICE, "base", "browser", options=shared, volume="vol-1")).begun
    alone = await warm(store, "extra")
    for sandbox_id in (alone, *(record.sandbox_id for record in begun)):
        assert not await store.forget(sandbox_id), "it does not stop yet"
        await store.mark_stopping(sandbox_id, ENDING)
    first, second = (record.sandbox_id for record in begun)
    assert [await store.forget(each) for each in (alone, first, second, second)] == [False, False, True, False]


async def test_what_a_key_has_is_told_without_the_rest(store: Store) -> None:
    """In its lease or promised to it; not what stops, and nobody else's."""
    base, extra = await leased(store, ALICE, "base", "extra")
    await leased(store, BOB, "base")
    (browser,) = (await claim(store, ALICE, "browser")).begun
    await store.mark_stopping(extra, ENDING)
    assert {record.sandbox_id for record in await store.held(ALICE)} == {base, browser.sandbox_id}
    assert await store.held(CAROL) == ()


async def test_only_what_stops_is_forgotten(store: Store) -> None:
    """To forget a sandbox in use would leak it."""
    sandbox_id = await warm(store)
    await store.forget(sandbox_id)
    assert (await store.get(sandbox_id)).state is State.WARM


async def test_ending_a_lease_returns_what_to_destroy_and_undoes_promises(store: Store) -> None:
    """What it had leased stops; what it was promised is free; a second end finds nothing."""
    (base,) = await leased(store, ALICE, "base")
    browser = await warm(store, "browser")
    await claim(store, ALICE, "base", "browser", "extra")
    ended = (await store.end_lease(ALICE, ENDING)).ended
    assert [record.sandbox_id for record in ended] == [base]
    assert (await states(store))[base] is State.STOPPING
    assert (await store.get(browser)).key is None
    assert await store.end_lease(ALICE, ENDING) == GivenBack()


async def test_leases_of_others_are_not_ended(store: Store) -> None:
    """Keys are tuples: names that join to the same string are different."""
    mine = await leased(store, LeaseKey("a_b", "c"), "base")
    await leased(store, LeaseKey("a", "b_c"), "base")
    await store.end_lease(LeaseKey("a", "b_c"), ENDING)
    (lease,) = await store.leases()
    assert [record.sandbox_id for record in lease.sandboxes] == mine


async def test_a_touch_is_activity_of_a_lease_only(store: Store) -> None:
    """A warm sandbox cannot be used."""
    (held,) = await leased(store, ALICE, "base")
    assert (await store.touch(held, now=500.0)).last_active_at == 500.0
    with pytest.raises(SandboxNotFound, match="no session has leased it"):
        await store.touch(await warm(store), now=500.0)


async def test_idle_leases_end_as_a_whole(store: Store) -> None:
    """Activity in one sandbox keeps the whole lease; exactly at the time-out it ends."""
    await leased(store, ALICE, "base", "browser", now=100.0)
    _, browser = await leased(store, BOB, "base", "browser", now=100.0)
    await store.touch(browser, now=150.0)
    assert await store.end_idle(idle_since=99.0, ending=ENDING) == ()
    (ended,) = await store.end_idle(idle_since=100.0, ending=ENDING)
    assert ended.key == ALICE
    assert {record.state for record in ended.sandboxes} == {State.LEASED}
    assert [lease.key for lease in await store.leases()] == [BOB]
    assert list((await states(store)).values()).count(State.STOPPING) == 2


async def test_trimming_takes_what_is_youngest_and_nobody_claimed(store: Store) -> None:
    """Starting ones go first, the newest first; promised and leased ones never."""
    await leased(store, ALICE, "base")
    old, young = await warm(store), await warm(store)
    begun = [await starting(store) for _ in range(2)]
    promised = (await claim(store, BOB, "base", "browser")).awaited
    assert {record.sandbox_type for record in promised} == {"browser"}  # and `old` is promised, too
    trimmed = await store.trim("base", keep=1, ending=ENDING)
    assert [record.sandbox_id for record in trimmed] == [begun[1], begun[0]]
    assert [record.sandbox_id for record in await store.trim("base", keep=0, ending=ENDING)] == [young]
    assert (await store.get(old)).key == BOB
    assert await store.trim("base", keep=0, ending=ENDING) == ()


async def test_the_census_counts_by_kind(store: Store) -> None:
    """Every sandbox is counted once as starting, ready, leased or stopping."""
    (held,) = await leased(store, ALICE, "base")
    await leased(store, BOB, "base")
    await warm(store), await warm(store), await starting(store)
    await claim(store, CAROL, "base", "browser")
    await store.mark_stopping(held, ENDING)
    census = await store.census()
    assert census["base"] == Census(starting=2, ready=1, leased=1, stopping=1, unclaimed=2)
    assert census["browser"] == Census(starting=1)
    await store.forget(held)
    assert (await store.census())["base"].stopping == 0
