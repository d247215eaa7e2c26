"""Filling a store that knows nothing, or not the last: by what boxes say, and by nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fake_pool import World, ids, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable, UnknownSandboxType
from agentscope_runtime.sandbox_manager.backends import Blueprint
from agentscope_runtime.sandbox_manager.events import StoreRebuilt
from agentscope_runtime.sandbox_manager.lease_notes import LeaseNotes
from agentscope_runtime.sandbox_manager.means import Means, Policy
from agentscope_runtime.sandbox_manager.membership import Alone
from agentscope_runtime.sandbox_manager.rebuild import Rebuild
from agentscope_runtime.sandbox_manager.states import Limits, State
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore


class Deposed(Alone):
    """Somebody else leads by now."""

    async def declare_whole(self) -> bool:
        """See `Membership.declare_whole`."""
        return False


@asynccontextmanager
async def before(*sessions: str) -> AsyncIterator[tuple[World, Means]]:
    """Have leases, noted in their boxes, and one free box; and means whose store knows nothing of them."""
    async with world(Policy(targets={"base": 1}, idle_timeout=10_000.0), loops=False) as w:
        notes = LeaseNotes(w.means)
        w.means.outfitters.append(notes.write_soon)
        for session in sessions:
            await settle()
            await w.pool.connect(key(session), ["base"])
        await settle()
        yield w, replace(w.means, store=MemoryStore("mgr-2"))
        await notes.aclose()


def free(w: World, *leased: str) -> str:
    """Return the one box that nobody has leased."""
    (name,) = w.containers - set(leased)
    return name


@virtual
async def test_everybody_gets_back_what_is_his() -> None:
    """The same boxes, with generation and options; frozen ones are asked, too; the free one is free."""
    async with before("s1", "s2") as (w, means):
        leases = {session: (await w.pool.connect(key(session), ["base"])).sandboxes[0] for session in ("s1", "s2")}
        names = [record.sandbox_id for record in leases.values()]
        await w.backend.pause(names[0])
        assert await Rebuild(means, w.pool.retirement).rebuild()
        found = {record.sandbox_id: record for record in await means.store.sandboxes()}
        for record in leases.values():
            again = found[record.sandbox_id]
            assert again == replace(record, manager="", last_active_at=again.last_active_at, image_id=again.image_id)
        assert found[free(w, *names)].state is State.WARM
        assert len(found) == 3
        (event,) = w.happenings(StoreRebuilt)
        assert isinstance(event, StoreRebuilt)
        assert (set(event.leased), event.warm, event.removed) == (set(names), (free(w, *names),), ())


@virtual
async def test_what_cannot_say_whose_it_is_goes() -> None:
    """A box that was used and knows of no lease; one of a kind that nobody registers; one that does not answer."""
    async with before("s1", "s2") as (w, means):
        leased = [ids(await w.pool.connect(key(session), ["base"]))[0] for session in ("s1", "s2")]
        w.backend.engine.containers[leased[0]].box.note.note = b""
        w.backend.engine.containers[leased[0]].box.generation = 1
        w.backend.engine.containers[free(w, *leased)].running = False

        def kinds(sandbox_type: str) -> Blueprint:
            raise UnknownSandboxType(sandbox_type)

        everything = w.containers
        assert await Rebuild(means, w.pool.retirement).rebuild()
        assert w.containers == {leased[1]}
        assert await Rebuild(replace(means, kinds=kinds, store=MemoryStore("mgr-3")), w.pool.retirement).rebuild()
        assert not w.containers & everything


@virtual
async def test_a_store_that_was_set_back_gives_nobody_what_somebody_used() -> None:
    """It takes two boxes for free: the one with a note goes back to its session, the one without is not given away."""
    async with before("s1", "s2") as (w, means):
        one, two = [ids(await w.pool.connect(key(session), ["base"]))[0] for session in ("s1", "s2")]
        records = {record.sandbox_id: record for record in await w.means.store.sandboxes()}
        for name in (one, two):
            draft = replace(means.draft("base"), sandbox_id=name, token=records[name].token)
            await means.store.record_start(draft, limits=Limits())
            await means.store.mark_ready(name)
        box = w.backend.engine.containers[two].box
        box.note.note, box.generation = b"", 1
        retirement = type(w.pool.retirement)(means, w.pool.launcher, w.pool._arrivals)
        assert await Rebuild(means, retirement).rebuild()
        await settle()
        found = {record.sandbox_id: record for record in await means.store.sandboxes()}
        assert found[one].key == key("s1") and found[one].state is State.LEASED
        assert two not in found and two not in w.containers


@virtual
async def test_nothing_is_removed_by_who_leads_no_more_or_sees_nothing() -> None:
    """Another leader does it; an engine that does not answer says nothing of what there is."""
    async with before("s1") as (w, means):
        (name,) = ids(await w.pool.connect(key("s1"), ["base"]))
        w.backend.engine.containers[name].box.note.note = b"forged"
        containers = w.containers
        assert not await Rebuild(replace(means, membership=Deposed()), w.pool.retirement).rebuild()
        assert w.containers == containers
        w.script.broken["containers"] = BackendUnavailable("away")
        with pytest.raises(BackendUnavailable):
            await Rebuild(replace(means, store=MemoryStore("mgr-3")), w.pool.retirement).rebuild()
        w.script.broken.clear()
        assert w.containers == containers
