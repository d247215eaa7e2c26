"""What every store promises about claims."""

from __future__ import annotations

import pytest
from stores import ALICE, BOB, CAROL, ENDING, claim, draft, ids, leased, starting, states, warm

from agentscope_runtime.sandbox.errors import PoolExhausted, SandboxNotFound
from agentscope_runtime.sandbox_manager.states import Lease, Limits, State
from agentscope_runtime.sandbox_manager.stores import Claim, Store


async def test_a_claim_takes_the_warm_one_that_waits_longest(store: Store) -> None:
    """Warm members are handed out oldest first, with everything that a lease says."""
    first, _ = await warm(store), await warm(store)
    claimed = await claim(store, ALICE, "base", now=123.0)
    assert ids(claimed) == [first]
    (record,) = claimed.granted
    assert (record.state, record.key, record.warm, record.generation) == (State.LEASED, ALICE, True, 1)
    assert (record.leased_at, record.last_active_at) == (123.0, 123.0)
    assert not claimed.begun
    assert not claimed.awaited
    assert await store.leases() == [Lease(ALICE, (record,))]


async def test_a_repeated_claim_gives_the_same_and_counts_as_activity(store: Store) -> None:
    """The lease stays as it is, but for the time of its last use."""
    held = await leased(store, ALICE, "base")
    again = await claim(store, ALICE, "base", now=200.0)
    assert ids(again) == held
    assert not again.granted
    record = await store.get(held[0])
    assert (record.generation, record.leased_at, record.last_active_at) == (1, 100.0, 200.0)


async def test_a_claim_without_drafts_that_cannot_be_met_changes_nothing(store: Store) -> None:
    """It is the question whether everything is there: if not, not even the warm part is taken."""
    free = await warm(store)
    before = await store.sandboxes()
    assert await claim(store, ALICE, "base", "browser", drafts=False) == Claim()
    assert await store.sandboxes() == before
    assert ids(await claim(store, BOB, "base")) == [free]


async def test_a_claim_is_all_or_nothing(store: Store) -> None:
    """One kind is warm, the other has to start: no lease yet, and the warm one is promised to nobody else."""
    free = await warm(store)
    claimed = await claim(store, ALICE, "base", "browser")
    assert claimed.lease is None
    assert not await store.leases()
    (begun,) = claimed.begun
    assert claimed.awaited == (begun,)
    assert (await states(store)) == {free: State.WARM, begun.sandbox_id: State.STARTING}
    assert (await claim(store, BOB, "base", drafts=False)).lease is None
    await store.mark_ready(begun.sandbox_id)
    complete = await claim(store, ALICE, "base", "browser")
    assert ids(complete) == [free, begun.sandbox_id]
    assert {record.sandbox_id: record.warm for record in complete.granted} == {free: True, begun.sandbox_id: False}


async def test_the_answer_has_the_asked_kinds_in_the_asked_order(store: Store) -> None:
    """A lease that holds more answers with what was asked for."""
    base, browser, extra = await leased(store, ALICE, "base", "browser", "extra")
    assert ids(await claim(store, ALICE, "extra", "base")) == [extra, base]
    assert ids(await claim(store, ALICE, "browser")) == [browser]


async def test_a_lease_grows_by_new_kinds(store: Store) -> None:
    """What it has stays the same sandbox; what is new is granted."""
    (base,) = await leased(store, ALICE, "base")
    browser = await warm(store, "browser")
    grown = await claim(store, ALICE, "browser", "base")
    assert ids(grown) == [browser, base]
    assert [record.sandbox_id for record in grown.granted] == [browser]
    assert len(await store.leases()) == 1


async def test_a_claim_takes_a_pool_member_that_is_starting(store: Store) -> None:
    """A start that is under way for the pool is promised before a new one is recorded."""
    under_way = await starting(store)
    claimed = await claim(store, ALICE, "base")
    assert not claimed.begun
    assert [record.sandbox_id for record in claimed.awaited] == [under_way]
    assert (await claim(store, BOB, "base")).begun


async def test_a_repeated_claim_records_no_second_start(store: Store) -> None:
    """A hundred callers of one key wait for one sandbox."""
    (begun,) = (await claim(store, ALICE, "base")).begun
    for _ in range(99):
        again = await claim(store, ALICE, "base")
        assert not again.begun
        assert [record.sandbox_id for record in again.awaited] == [begun.sandbox_id]
    assert len(await store.sandboxes()) == 1


async def test_whoever_waits_longest_gets_what_is_ready_first(store: Store) -> None:
    """Starts are not tied to who asked: the second start is ready first, and serves the first who waits."""
    (for_alice,) = (await claim(store, ALICE, "base")).begun
    (for_bob,) = (await claim(store, BOB, "base")).begun
    ready = await store.mark_ready(for_bob.sandbox_id)
    assert ready is not None
    assert ready.key == ALICE
    assert ids(await claim(store, ALICE, "base")) == [for_bob.sandbox_id]
    ready = await store.mark_ready(for_alice.sandbox_id)
    assert ready is not None
    assert ready.key == BOB
    assert ids(await claim(store, BOB, "base")) == [for_alice.sandbox_id]


async def test_a_swap_does_not_change_the_order_of_waiting(store: Store) -> None:
    """Three wait; whatever order their starts finish in, they are served in theirs."""
    begun = [(await claim(store, who, "base")).begun[0].sandbox_id for who in (ALICE, BOB, CAROL)]
    served = []
    for sandbox_id in (begun[2], begun[0], begun[1]):
        ready = await store.mark_ready(sandbox_id)
        assert ready is not None
        served.append(ready.key)
    assert served == [ALICE, BOB, CAROL]


async def test_a_pool_member_that_gets_ready_serves_who_waits(store: Store) -> None:
    """A session waits for its own start; the pool's member is ready before: they swap, and the pool gets the other."""
    (for_alice,) = (await claim(store, ALICE, "base")).begun
    member = await starting(store)
    await store.mark_ready(member)
    assert ids(await claim(store, ALICE, "base")) == [member]
    ready = await store.mark_ready(for_alice.sandbox_id)
    assert ready is not None
    assert ready.key is None
    assert (await store.census())["base"].ready == 1


async def test_only_the_same_kind_serves_who_waits(store: Store) -> None:
    """A browser that gets ready is nothing for somebody who waits for a base."""
    await claim(store, ALICE, "base")
    browser = await warm(store, "browser")
    assert (await store.get(browser)).key is None


async def test_nothing_is_recorded_above_the_limit(store: Store) -> None:
    """Starts for the pool and for sessions count, warm and leased ones, too; stopping ones do not."""
    (held,) = await leased(store, ALICE, "base")
    await warm(store, "base")
    assert not await store.record_start(draft(), limits=Limits(2))
    assert await store.record_start(draft(), limits=Limits(3))
    await store.mark_stopping(held, ENDING)
    assert await store.record_start(draft(), limits=Limits(3))


async def test_a_claim_above_the_limit_changes_nothing(store: Store) -> None:
    """PoolExhausted says when to come again; the warm part of the request is free for others."""
    await leased(store, ALICE, "base")
    await warm(store)
    before = await store.sandboxes()
    with pytest.raises(PoolExhausted, match="all 2 sandboxes") as refused:
        await claim(store, BOB, "base", "browser", limits=Limits(2))
    assert refused.value.extras["retry_after"] > 0
    assert await store.sandboxes() == before
    assert (await claim(store, CAROL, "base", limits=Limits(2))).lease is not None


async def test_a_claim_displaces_free_members_of_other_kinds(store: Store) -> None:
    """Starting ones first, then warm ones; never what is leased, promised, or part of the same claim."""
    (held,) = await leased(store, ALICE, "base")
    promised = (await claim(store, BOB, "extra")).begun[0].sandbox_id
    idle, under_way = await warm(store), await starting(store)
    claimed = await claim(store, CAROL, "browser", limits=Limits(4))
    assert [record.sandbox_id for record in claimed.displaced] == [under_way]
    assert len(claimed.begun) == 1
    claimed = await claim(store, ALICE, "extra", limits=Limits(4))
    assert [record.sandbox_id for record in claimed.displaced] == [idle]
    with pytest.raises(PoolExhausted):
        await claim(store, CAROL, "extra", limits=Limits(4))
    assert (await states(store))[held] is State.LEASED
    assert (await states(store))[promised] is State.STARTING
    with pytest.raises(SandboxNotFound, match="made room"):
        await store.get(idle)


async def test_a_claim_does_not_displace_what_it_takes(store: Store) -> None:
    """Of two warm ones of a kind it takes one, and the other makes room for its second kind."""
    first, second = await warm(store), await warm(store)
    claimed = await claim(store, ALICE, "base", "browser", limits=Limits(2))
    assert [record.sandbox_id for record in claimed.displaced] == [second]
    await store.mark_ready(claimed.begun[0].sandbox_id)
    assert ids(await claim(store, ALICE, "base", "browser", limits=Limits(2)))[0] == first
