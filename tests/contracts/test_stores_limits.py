"""What every store promises about limits beyond the number of all sandboxes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stores import ALICE, BOB, CAROL, ENDING, NONE, claim, draft, ids, leased, starting, states, suspended, warm

from agentscope_runtime.sandbox.errors import PoolExhausted, QuotaExceeded
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import LeaseKey, Limits, State, Wish
from agentscope_runtime.sandbox_manager.stores import Claim, StaleLeader, Store

GIB = 1 << 30
ELSEWHERE = LeaseKey("alice", "another")


async def test_a_user_has_no_more_than_the_quota_in_all_sessions_together(store: Store) -> None:
    """Leased or promised; others are not concerned; the refusal says which limit, and changes nothing."""
    limits = Limits(per_user=2)
    await leased(store, ALICE, "base")
    assert (await claim(store, ELSEWHERE, "base", limits=limits)).begun
    before = await store.sandboxes()
    with pytest.raises(QuotaExceeded, match="user 'alice' has all 2") as refused:
        await claim(store, LeaseKey("alice", "third"), "base", limits=limits)
    assert refused.value.extras["limited_by"] == "user"
    assert refused.value.extras["limit"] == 2
    assert refused.value.extras["retry_after"] > 0
    assert await store.sandboxes() == before
    assert len((await claim(store, BOB, "base", "browser", limits=limits)).begun) == 2
    await store.end_lease(ALICE, ENDING)
    assert (await claim(store, ELSEWHERE, "browser", limits=limits)).begun


async def test_a_warm_sandbox_counts_for_who_takes_it(store: Store) -> None:
    """The quota is about what a user has, not about what is started for him; what he has he gets again."""
    limits = Limits(per_user=1)
    first, _ = await warm(store), await warm(store)
    assert ids(await claim(store, ALICE, "base", limits=limits, drafts=False)) == [first]
    with pytest.raises(QuotaExceeded):
        await claim(store, ELSEWHERE, "base", limits=limits, drafts=False)
    assert ids(await claim(store, ALICE, "base", limits=limits)) == [first]


async def test_a_claim_that_must_not_grow_gives_what_there_is_and_nothing_more(store: Store) -> None:
    """What the key holds, or is promised, as ever; no free one, no start, nothing of what is suspended."""

    async def as_it_is(key: LeaseKey, *kinds: str) -> Claim:
        drafts = {kind: draft(kind) for kind in kinds}
        return await store.claim(Wish(key, kinds).as_it_is(), drafts, limits=NONE, now=100.0)

    (held,) = await leased(store, ALICE, "base")
    await warm(store, "browser")
    before = await store.sandboxes()
    assert await as_it_is(ALICE, "browser") == Claim()
    assert await as_it_is(ALICE, "base", "browser") == Claim()
    assert await as_it_is(BOB, "base") == Claim()
    assert await store.sandboxes() == before
    assert ids(await as_it_is(ALICE, "base")) == [held]
    promised = (await claim(store, BOB, "gui")).awaited
    assert (await as_it_is(BOB, "gui")).awaited == promised
    asleep = await suspended(store, CAROL, "base")
    assert await as_it_is(CAROL, "base") == Claim()
    assert (await store.get(asleep)).state is State.SUSPENDED


async def test_a_claim_without_drafts_is_no_reason_to_refuse(store: Store) -> None:
    """What is not ready is not counted: the answer is that there is nothing."""
    await leased(store, ALICE, "base")
    assert await claim(store, ALICE, "browser", limits=Limits(per_user=1, total=1), drafts=False) == Claim()


async def test_a_kind_has_a_limit_of_its_own(store: Store) -> None:
    """The pool's starts and sessions' count alike; other kinds are not concerned."""
    limits = Limits(types={"browser": 2})
    await leased(store, ALICE, "browser")
    assert await store.record_start(draft("browser"), limits=limits)
    assert not await store.record_start(draft("browser"), limits=limits)
    assert await store.record_start(draft("base"), limits=limits)
    assert (await claim(store, BOB, "browser", limits=limits)).awaited
    with pytest.raises(PoolExhausted, match="all 2 browser sandboxes") as refused:
        await claim(store, CAROL, "browser", limits=limits)
    extras = refused.value.extras
    assert (extras["limited_by"], extras["limit"], extras["sandbox_type"]) == ("type", 2, "browser")


async def test_only_the_same_kind_makes_room_for_a_kind(store: Store) -> None:
    """A suspended one that comes back displaces a free one of its kind, and none of another kind."""
    limits = Limits(types={"base": 1})
    held = await suspended(store, ALICE)
    other, free = await warm(store, "browser"), await warm(store)
    claimed = await claim(store, ALICE, "base", limits=limits)
    assert [record.sandbox_id for record in claimed.displaced] == [free]
    assert [record.sandbox_id for record in claimed.begun] == [held]
    assert (await states(store))[other] is State.WARM


async def test_memory_has_a_limit(store: Store) -> None:
    """What all may use together; free members make room, as many as it takes."""
    limits = Limits(memory=4 * GIB)
    for _ in range(3):
        assert await store.record_start(replace(draft(), memory=GIB), limits=limits)
    assert not await store.record_start(replace(draft("browser"), memory=2 * GIB), limits=limits)
    wish = Wish(ALICE, ("browser",))
    claimed = await store.claim(wish, {"browser": replace(draft("browser"), memory=3 * GIB)}, limits=limits, now=1.0)
    assert len(claimed.displaced) == 2
    with pytest.raises(PoolExhausted, match="4096 MiB") as refused:
        await store.claim(
            Wish(BOB, ("extra",)), {"extra": replace(draft("extra"), memory=2 * GIB)}, limits=limits, now=1.0
        )
    assert (refused.value.extras["limited_by"], refused.value.extras["limit"]) == ("memory", 4 * GIB)
    assert list((await states(store)).values()).count(State.STARTING) == 2


async def test_what_sleeps_is_free_of_limits_until_it_wakes(store: Store) -> None:
    """A suspended sandbox is only a workspace; to come back it needs room like any start."""
    limits = Limits(total=1, per_user=1)
    held = await suspended(store, ALICE)
    (theirs,) = await leased(store, BOB, "base")
    with pytest.raises(PoolExhausted):
        await claim(store, ALICE, "base", limits=limits)
    assert (await store.get(held)).state is State.SUSPENDED
    await store.mark_stopping(theirs, ENDING)
    assert (await claim(store, ELSEWHERE, "base", limits=limits)).begun
    with pytest.raises(QuotaExceeded):
        await claim(store, ALICE, "base", limits=limits)


async def test_a_leader_of_before_is_refused(store: Store) -> None:
    """Neither may it start anything, nor end anything; who has no fence at all is older than any leader."""
    free = await starting(store)
    assert await store.record_start(draft(), limits=NONE, fence=2)
    assert await store.record_start(draft(), limits=NONE, fence=2)
    for fence in (1, 0):
        with pytest.raises(StaleLeader):
            await store.record_start(draft(), limits=NONE, fence=fence)
        with pytest.raises(StaleLeader):
            await store.trim("base", keep=0, ending=ENDING, fence=fence)
    assert len(await store.sandboxes()) == 3
    assert len(await store.trim("base", keep=0, ending=ENDING, fence=3)) == 3
    assert (await states(store))[free] is State.STOPPING


async def test_what_sessions_take_of_the_pool_is_counted_for_ever(store: Store) -> None:
    """Warm, starting and not begun alike, once each; not what is held already, or was made for a lease of its own."""
    await warm(store)
    await claim(store, ALICE, "base")
    await claim(store, ALICE, "base")
    await starting(store)
    await claim(store, BOB, "base")
    await claim(store, CAROL, "base", "browser")
    own = LeaseOptions(shared_workspace=True)
    await claim(store, ELSEWHERE, "base", options=own, volume="vol-1")
    assert {kind: count.taken for kind, count in (await store.census()).items()} == {"base": 3, "browser": 1}
    for key in (ALICE, BOB, CAROL):
        await store.end_lease(key, ENDING)
    with pytest.raises(QuotaExceeded):
        await claim(store, ELSEWHERE, "browser", limits=Limits(per_user=1))
    assert (await store.census())["base"].taken == 3


async def test_a_free_one_can_be_stopped_unless_somebody_was_faster(store: Store) -> None:
    """Promised or leased it stays, whatever the caller believed."""
    free, taken = await warm(store), await warm(store, "browser")
    await claim(store, ALICE, "browser")
    promised = (await claim(store, BOB, "gui")).awaited[0].sandbox_id
    before = await store.get(free)
    assert await store.mark_stopping(free, ENDING, if_free=True) == before
    assert await store.mark_stopping(free, ENDING, if_free=True) is None
    assert await store.mark_stopping(taken, ENDING, if_free=True) is None
    assert await store.mark_stopping(promised, ENDING, if_free=True) is None
    assert (await store.get(taken)).state is State.LEASED
