"""What dead managers began is finished, once; what lives, and what is still being done, is left alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fake_pool import RESTING, World, key, suspended, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox_manager.backends import Order
from agentscope_runtime.sandbox_manager.events import ManagerSucceeded
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.membership import Alone
from agentscope_runtime.sandbox_manager.reconcile import EVERY
from agentscope_runtime.sandbox_manager.states import Ending, LeaseKey, Limits, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.succession import PROMISED_WITHIN, Succession

ENDING = Ending("was released")


class SomeDead(Alone):
    """Managers of which some are proved dead; none leads, so that no refill meddles."""

    is_leader = False

    def __init__(self, *dead: str) -> None:
        self.dead = set(dead)

    def is_dead(self, manager: str) -> bool:
        """See `Membership.is_dead`."""
        return manager in self.dead


def succession(w: World) -> Succession:
    """Return one of this world's pool."""
    return Succession(w.means, w.pool.retirement, w.pool.suspension, w.pool.launcher, w.pool.forget)


async def begun_by(w: World, manager: str, *, container: bool = True) -> SandboxRecord:
    """Have a start of another manager recorded, and its container made."""
    record = replace(w.means.draft("base"), manager=manager)
    assert await w.means.store.record_start(record, limits=Limits())
    if container:
        await w.backend.start(Order(record.sandbox_id, w.means.kinds("base"), record.created_at, record.token))
    return record


@virtual
async def test_what_a_dead_manager_began_is_finished_and_what_a_living_one_did_is_not() -> None:
    """Its starts have failed, their containers go; its removals go on; leased and warm sandboxes are nobody's."""
    async with world(Policy(idle_timeout=10_000.0), membership=SomeDead("mgr-dead")) as w:
        theirs = await begun_by(w, "mgr-alive")
        starting, early = await begun_by(w, "mgr-dead"), await begun_by(w, "mgr-dead", container=False)
        up, stopping = await begun_by(w, "mgr-dead"), await begun_by(w, "mgr-dead")
        await w.means.store.mark_ready(up.sandbox_id)
        # A store speaks for one manager: this is how the dead one would have said it.
        store = w.means.store
        assert isinstance(store, MemoryStore)
        store._manager = "mgr-dead"
        await store.mark_stopping(stopping.sandbox_id, ENDING)
        store._manager = "manager-1"
        await asyncio.sleep(EVERY + 1.0)
        assert w.containers == {theirs.sandbox_id, up.sandbox_id}
        assert set(await w.records()) == {theirs.sandbox_id, up.sandbox_id}
        (event,) = w.happenings(ManagerSucceeded)
        assert isinstance(event, ManagerSucceeded)
        assert set(event.sandbox_ids) == {each.sandbox_id for each in (starting, early, stopping)}


@virtual
async def test_a_session_whose_sandbox_a_dead_manager_started_gets_another_one() -> None:
    """It waits here; the one that it was promised will never be ready."""
    membership = SomeDead()
    async with world(Policy(idle_timeout=10_000.0), membership=membership) as w:
        theirs = await begun_by(w, "mgr-other")
        waiting = asyncio.create_task(w.pool.connect(key(), ["base"]))
        await asyncio.sleep(1.0)
        assert (await w.records())[theirs.sandbox_id].key == key()
        assert not waiting.done()
        membership.dead.add("mgr-other")
        lease = await waiting
        assert lease.sandboxes[0].sandbox_id != theirs.sandbox_id


@virtual
async def test_a_sandbox_that_a_dead_manager_resumed_or_suspended_rests() -> None:
    """Its workspace is kept, and it starts at the next use."""
    async with world(RESTING, membership=SomeDead("mgr-dead")) as w:
        (name,) = await suspended(w)
        store = w.means.store
        assert isinstance(store, MemoryStore)
        draft = replace(w.means.draft("base"), manager="mgr-dead")
        await store.claim(Wish(key(), ("base",)), {"base": draft}, limits=Limits(), now=w.means.clock())
        assert (await w.records())[name].state is State.STARTING
        await asyncio.sleep(EVERY + 1.0)
        assert (await w.records())[name].state is State.SUSPENDED
        assert (await w.pool.connect(key(), ["base"])).sandboxes[0].sandbox_id == name


@virtual
async def test_what_this_manager_began_and_lost_sight_of_is_finished_at_the_second_look() -> None:
    """The store did it and its answer was lost; at the first look an answer may still be on its way."""
    async with world(Policy(idle_timeout=10_000.0), membership=SomeDead()) as w:
        lost = await begun_by(w, w.means.store.manager)
        stopped = await begun_by(w, w.means.store.manager)
        await w.means.store.mark_stopping(stopped.sandbox_id, ENDING)
        ends = succession(w)
        await ends.tie()
        await settle()
        assert w.containers == {lost.sandbox_id, stopped.sandbox_id}
        await ends.tie()
        await settle()
        assert not w.containers
        assert not await w.records()


@virtual
async def test_what_is_being_started_is_no_loose_end() -> None:
    """However often one looks."""
    async with world(Policy(targets={"base": 1})) as w:
        w.script.gates["start"] = asyncio.Event()
        await settle()
        ends = succession(w)
        for _ in range(3):
            await ends.tie()
        assert len(w.containers) == 1
        w.script.gates["start"].set()
        await settle()
        assert [record.state for record in (await w.records()).values()] == [State.WARM]


@virtual
async def test_a_promise_to_a_call_of_a_manager_known_to_be_dead_is_given_back_at_once() -> None:
    """Nobody can be waiting there; for one that lives, somebody may."""
    membership = SomeDead()
    membership.is_leader = True
    async with world(Policy(targets={"base": 1}), membership=membership) as w:
        await asyncio.sleep(5.0)
        drafts = {"base": w.means.draft("base"), "extra": replace(w.means.draft("extra"), manager="mgr-other")}
        await w.means.store.claim(Wish(key(), ("base", "extra")), drafts, limits=Limits(), now=w.means.clock())
        (promised,) = (each for each in (await w.records()).values() if each.state is State.WARM and each.key == key())

        async def waits() -> dict[LeaseKey, str]:
            return {key(): "mgr-other"}

        w.means.store.waits = waits  # type: ignore[method-assign]
        await asyncio.sleep(2 * EVERY)
        assert (await w.records())[promised.sandbox_id].key == key()
        membership.dead.add("mgr-other")
        await asyncio.sleep(2 * EVERY)
        records = await w.records()
        assert promised.sandbox_id not in records or records[promised.sandbox_id].key is None


@virtual
async def test_a_promise_to_a_call_that_died_with_its_manager_is_given_back() -> None:
    """After longer than any call waits; then it is free for everybody."""
    async with world(Policy(targets={"base": 1}, start_timeout=60.0)) as w:
        await settle()
        drafts = {"base": w.means.draft("base"), "extra": replace(w.means.draft("extra"), manager="mgr-other")}
        wish = Wish(key(), ("base", "extra"))
        claim = await w.means.store.claim(wish, drafts, limits=Limits(), now=w.means.clock())
        assert claim.lease is None
        (promised,) = (each for each in (await w.records()).values() if each.state is State.WARM and each.key == key())
        await asyncio.sleep(60.0)
        assert (await w.records())[promised.sandbox_id].key == key(), "somebody may wait"
        await asyncio.sleep(PROMISED_WITHIN + 2 * EVERY)
        records = await w.records()
        assert promised.sandbox_id not in records or records[promised.sandbox_id].key is None
