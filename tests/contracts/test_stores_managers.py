"""What every store promises about work that managers have begun, and what they find."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stores import (
    ALICE,
    BOB,
    CAROL,
    ENDING,
    ME,
    NONE,
    OTHER,
    claim,
    draft,
    ids,
    leased,
    starting,
    states,
    suspended,
    warm,
)

from agentscope_runtime.sandbox_manager.states import State
from agentscope_runtime.sandbox_manager.stores import GivenBack, Store


async def test_who_takes_a_sandbox_out_of_use_has_to_destroy_it(store: Store) -> None:
    """Whoever started it; a lease in use is nobody's work."""
    theirs = replace(draft(), manager=OTHER)
    assert await store.record_start(theirs, limits=NONE)
    assert (await store.get(theirs.sandbox_id)).manager == OTHER
    last = await store.mark_stopping(theirs.sandbox_id, ENDING)
    assert last is not None
    assert last.manager == OTHER
    assert [record.manager for record in await store.sandboxes()] == [ME]
    assert store.manager == ME


async def test_work_of_a_dead_manager_is_taken_over(store: Store) -> None:
    """What it has begun, once; not what needs nothing to be done, and not what is another's."""
    begun = replace(draft(), manager=OTHER)
    up = replace(draft(), manager=OTHER)
    for record in (begun, up):
        assert await store.record_start(record, limits=NONE)
    await store.mark_ready(up.sandbox_id)
    mine = await starting(store)
    (taken,) = await store.take_over(OTHER)
    assert (taken.sandbox_id, taken.state, taken.manager) == (begun.sandbox_id, State.STARTING, ME)
    assert await store.get(begun.sandbox_id) == taken
    assert await store.take_over(OTHER) == ()
    assert {record.sandbox_id for record in await store.take_over(ME)} == {begun.sandbox_id, mine}


async def test_suspending_and_stopping_are_work_to_be_taken_over(store: Store) -> None:
    """Suspended is not: nothing is left to be done."""
    await suspended(store, ALICE)
    (half,) = await leased(store, BOB, "base")
    await store.suspend_idle(idle_since=100.0)
    gone = await warm(store)
    await store.mark_stopping(gone, ENDING)
    assert {record.sandbox_id for record in await store.take_over(ME)} == {half, gone}


async def test_a_sandbox_that_was_found_is_adopted(store: Store) -> None:
    """A free warm one is given to who asks, a leased one belongs to its session, a suspended one sleeps on."""
    warm_one = replace(draft(), state=State.WARM)
    held = replace(draft(), state=State.LEASED, key=ALICE, generation=3, last_active_at=100.0)
    asleep = replace(draft(), state=State.SUSPENDED, key=BOB, suspended_at=100.0, generation=1)
    for record in (warm_one, held, asleep):
        assert await store.adopt(record)
        assert not await store.adopt(record)
    assert ids(await claim(store, ALICE, "base")) == [held.sandbox_id]
    assert [record.sandbox_id for record in (await claim(store, BOB, "base")).begun] == [asleep.sandbox_id]
    assert ids(await claim(store, ALICE, "base", now=200.0)) == [held.sandbox_id]
    assert ids(await claim(store, CAROL, "base")) == [warm_one.sandbox_id]


@pytest.mark.parametrize("state", [State.STARTING, State.SUSPENDING, State.STOPPING])
async def test_what_is_on_its_way_is_not_adopted(store: Store, state: State) -> None:
    """Nobody knows how far it had come."""
    assert not await store.adopt(replace(draft(), state=state, key=ALICE))
    assert not await store.sandboxes()


async def test_a_lease_that_the_store_was_set_back_to_before_is_found_again(store: Store) -> None:
    """The store takes the sandbox for free; what was found on the engine knows better, if it is somebody's."""
    for sandbox_id, key in ((await warm(store), ALICE), (await starting(store), BOB)):
        known = await store.get(sandbox_id)
        found = replace(known, state=State.LEASED, key=key, generation=1, leased_at=50.0, last_active_at=60.0)
        assert not await store.adopt(replace(known, state=State.WARM))
        assert await store.adopt(found)
        assert await store.get(sandbox_id) == found
        assert not await store.adopt(found)
    census = (await store.census())["base"]
    assert (census.unclaimed, census.leased) == (0, 2)
    assert len(await store.end_idle(idle_since=60.0, ending=ENDING)) == 2


async def test_what_would_contradict_is_not_adopted(store: Store) -> None:
    """A second one of a kind for a key, one that has ended, a free one with a key, a leased one without."""
    await leased(store, ALICE, "base")
    (ended,) = await leased(store, BOB, "base")
    await store.mark_stopping(ended, ENDING)
    await store.forget(ended)
    before = await states(store)
    for record in (
        replace(draft(), state=State.LEASED, key=ALICE),
        replace(draft(), state=State.LEASED, key=BOB, sandbox_id=ended),
        replace(draft(), state=State.WARM, key=BOB),
        replace(draft(), state=State.LEASED),
    ):
        assert not await store.adopt(record)
    assert await states(store) == before


async def test_ending_a_lease_names_who_is_served_by_its_promises(store: Store) -> None:
    """Who waits has to be woken, or would wait for a start that is somebody else's by now."""
    free = await warm(store)
    await claim(store, ALICE, "base", "browser")
    await claim(store, BOB, "base")
    assert await store.end_lease(ALICE, ENDING) == GivenBack(served=(BOB,))
    assert ids(await claim(store, BOB, "base")) == [free]
