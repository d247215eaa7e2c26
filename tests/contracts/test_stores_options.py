"""What every store promises about the options of leases."""

from __future__ import annotations

import pytest
from stores import ALICE, BOB, CAROL, ENDING, claim, ids, leased, starting, warm

from agentscope_runtime.sandbox.errors import InvalidRequest, SandboxNotFound
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import NO_OPTIONS
from agentscope_runtime.sandbox_manager.stores import Store

WORK, HOME = LeaseOptions(profile="work"), LeaseOptions(profile="home")
SHARED, GREETING = LeaseOptions(shared_workspace=True), LeaseOptions(environment={"GREETING": "hello"})


async def test_a_lease_has_the_options_that_it_was_claimed_with(store: Store) -> None:
    """All of its sandboxes have them, also those that join later without a word about options."""
    await warm(store)
    assert (await claim(store, ALICE, "base", options=WORK)).lease is not None
    (browser,) = (await claim(store, ALICE, "browser")).begun
    assert browser.options == WORK
    await store.mark_ready(browser.sandbox_id)
    complete = await claim(store, ALICE, "base", "browser")
    assert complete.lease is not None
    assert [record.options for record in complete.lease.sandboxes] == [WORK, WORK]


async def test_what_was_not_said_may_be_said_later(store: Store) -> None:
    """A lease without a profile gets one; its resolution may change whenever it is asked for."""
    await leased(store, ALICE, "base")
    for said, agreed in (
        (WORK, WORK),
        (LeaseOptions(resolution="800x600"), LeaseOptions(profile="work", resolution="800x600")),
        (LeaseOptions(resolution="1600x1000"), LeaseOptions(profile="work", resolution="1600x1000")),
        (NO_OPTIONS, LeaseOptions(profile="work", resolution="1600x1000")),
    ):
        lease = (await claim(store, ALICE, "base", options=said)).lease
        assert lease is not None
        assert lease.sandboxes[0].options == agreed


async def test_a_contradiction_is_refused_and_changes_nothing(store: Store) -> None:
    """Another profile than before is an error that names both, whether the sandbox is leased or only promised."""
    await warm(store)
    await claim(store, ALICE, "base", options=WORK)
    await claim(store, BOB, "browser", options=WORK)
    before = await store.sandboxes()
    for key, kind in ((ALICE, "base"), (BOB, "browser"), (ALICE, "extra")):
        with pytest.raises(InvalidRequest, match=r"profile: 'work'.*'home'"):
            await claim(store, key, kind, options=HOME)
    assert await store.sandboxes() == before


async def test_options_go_with_the_key_and_not_with_the_sandbox(store: Store) -> None:
    """When starts are swapped, or given back, nobody gets what another one asked for."""
    (for_alice,) = (await claim(store, ALICE, "base", options=WORK)).begun
    (for_bob,) = (await claim(store, BOB, "base")).begun
    ready = await store.mark_ready(for_bob.sandbox_id)
    assert ready is not None
    assert (ready.key, ready.options) == (ALICE, WORK)
    assert (await store.get(for_alice.sandbox_id)).options == NO_OPTIONS
    await store.give_back(ALICE, ["base"])
    assert all(record.options == NO_OPTIONS for record in await store.sandboxes())


async def test_a_new_lease_begins_without_options(store: Store) -> None:
    """What an ended lease was asked to be binds nobody."""
    await warm(store)
    await claim(store, ALICE, "base", options=WORK)
    await store.end_lease(ALICE, ENDING)
    await warm(store)
    lease = (await claim(store, ALICE, "base", options=HOME)).lease
    assert lease is not None
    assert lease.sandboxes[0].options == HOME


@pytest.mark.parametrize("options", [SHARED, GREETING])
async def test_what_needs_its_own_takes_nothing_of_the_pool(store: Store, options: LeaseOptions) -> None:
    """Neither a warm one nor one that starts; and nobody else gets what is started for it."""
    free, under_way = await warm(store), await starting(store)
    (begun,) = (await claim(store, ALICE, "base", options=options)).begun
    (for_bob,) = (await claim(store, BOB, "base", "browser")).begun
    await store.mark_ready(under_way)
    assert (await store.get(under_way)).key is None, "she waits for her own"
    (for_carol,) = (await claim(store, CAROL, "extra")).begun
    ready = await store.mark_ready(begun.sandbox_id)
    assert ready is not None
    assert (ready.key, ready.options) == (ALICE, options)
    complete = await claim(store, ALICE, "base", options=options)
    assert ids(complete) == [begun.sandbox_id]
    assert not complete.granted[0].warm
    assert (await store.get(free)).key == BOB
    assert {for_bob.sandbox_type, for_carol.sandbox_type} == {"browser", "extra"}


async def test_what_nobody_waits_for_any_more_is_ended(store: Store) -> None:
    """Given back, it is of no use to the pool or to others, whether it was ready or not; what is ended is told."""
    (starts,) = (await claim(store, ALICE, "base", options=GREETING)).begun
    (ready, other) = (await claim(store, BOB, "base", "browser", options=SHARED)).begun
    await store.mark_ready(ready.sandbox_id)
    await claim(store, CAROL, "base")
    given = await store.give_back(ALICE, ["base"])
    assert ([record.sandbox_id for record in given.ended], given.served) == ([starts.sandbox_id], ())
    ended = (await store.end_lease(BOB, ENDING)).ended
    assert {record.sandbox_id for record in ended} == {ready.sandbox_id, other.sandbox_id}
    with pytest.raises(SandboxNotFound, match="did not wait for it"):
        await store.get(ready.sandbox_id)


async def test_one_key_shares_one_volume(store: Store) -> None:
    """All of a claim, and what joins the lease later; another lease, or a later one of the same key, has another."""
    both = (await claim(store, ALICE, "base", "browser", options=SHARED, volume="vol-1")).begun
    for record in both:
        await store.mark_ready(record.sandbox_id)
    assert (await claim(store, ALICE, "base", "browser", options=SHARED)).lease is not None
    (later,) = (await claim(store, ALICE, "extra", volume="vol-2")).begun
    assert [record.volume for record in (*both, later)] == ["vol-1"] * 3
    (theirs,) = (await claim(store, BOB, "base", options=SHARED, volume="vol-3")).begun
    assert theirs.volume == "vol-3"
    await store.end_lease(ALICE, ENDING)
    (anew,) = (await claim(store, ALICE, "base", options=SHARED, volume="vol-4")).begun
    assert anew.volume == "vol-4"


@pytest.mark.parametrize(("first", "then"), [(NO_OPTIONS, SHARED), (NO_OPTIONS, GREETING), (SHARED, GREETING)])
async def test_a_lease_cannot_become_what_it_had_to_be_from_the_start(
    store: Store, first: LeaseOptions, then: LeaseOptions
) -> None:
    """Nothing that runs can be given another workspace or environment; values of variables are not told."""
    await claim(store, ALICE, "base", options=first)
    with pytest.raises(InvalidRequest, match=r"shared_workspace: None|environment: another one") as refused:
        await claim(store, ALICE, "browser", options=then)
    assert "hello" not in str(refused.value)
    assert not (await claim(store, ALICE, "base", options=first)).begun


async def test_saying_that_nothing_is_shared_is_saying_nothing(store: Store) -> None:
    """False, and no variables, is what every lease has that was not asked for more."""
    await warm(store)
    plain = LeaseOptions(shared_workspace=False, environment={})
    assert (await claim(store, ALICE, "base", options=plain)).lease is not None
    await claim(store, ALICE, "base")
    (held,) = await leased(store, BOB, "base")
    assert ids(await claim(store, BOB, "base", options=plain)) == [held]
