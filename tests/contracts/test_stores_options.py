"""What every store promises about the options of leases."""

from __future__ import annotations

import pytest
from stores import ALICE, BOB, ENDING, claim, leased, warm

from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import NO_OPTIONS
from agentscope_runtime.sandbox_manager.stores import Store

WORK, HOME = LeaseOptions(profile="work"), LeaseOptions(profile="home")


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
        with pytest.raises(InvalidRequest, match=r"profile='work'.*'home'"):
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
