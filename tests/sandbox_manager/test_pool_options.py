"""Leases whose sandboxes are started for them: shared workspaces and variables of their own."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import World, filled, ids, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable, InvalidRequest, StartFailed
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State

SHARED = LeaseOptions(shared_workspace=True)


def volumes(w: World) -> set[str]:
    """Return the shared volumes on the engine."""
    return set(w.backend.engine.shared)


@virtual
async def test_all_sandboxes_of_a_lease_share_and_the_pool_is_left_alone() -> None:
    """They are started for it, which the answer and the counts say; the warm one waits for the next session."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)
        (free,) = w.containers
        lease = await w.pool.connect(key(), ["base", "browser"], SHARED)
        assert free not in ids(lease)
        assert [record.warm for record in lease.sandboxes] == [False, False]
        assert all(record.to_info().shared_workspace for record in lease.sandboxes)
        (extra,) = (await w.pool.connect(key(), ["extra"])).sandboxes
        assert {record.volume for record in (*lease.sandboxes, extra)} == volumes(w)
        assert len(volumes(w)) == 1
        report = await w.pool.report()
        assert (report.types["base"].hits, report.types["base"].misses) == (0, 1)
        assert ids(await w.pool.connect(key("s2"), ["base"])) == [free]


@virtual
async def test_the_volume_goes_with_the_last_sandbox() -> None:
    """One that is released leaves it to the others; the release of all removes it."""
    async with world() as w:
        base, browser = ids(await w.pool.connect(key(), ["base", "browser"], SHARED))
        (volume,) = volumes(w)
        await w.pool.release_sandbox(browser)
        await settle()
        assert (w.containers, volumes(w)) == ({base}, {volume})
        (again,) = (await w.pool.connect(key(), ["browser"])).sandboxes
        assert again.volume == volume
        await w.pool.release(key())
        assert await w.pool.retirement.drained(within=10) == 0
        assert not volumes(w)


@virtual
async def test_a_lease_that_never_was_leaves_no_volume() -> None:
    """A start that fails, and a caller who leaves, leave nothing."""
    async with world() as w:
        w.script.broken["ready"] = StartFailed("no luck")
        with pytest.raises(StartFailed):
            await w.pool.connect(key(), ["base"], SHARED)
        w.script.broken.clear()
        w.script.takes["ready"] = 5.0
        waiting = asyncio.create_task(w.pool.connect(key(), ["base", "browser"], SHARED))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await w.pool.retirement.drained(within=10) == 0
        assert not w.containers
        assert not volumes(w)


@virtual
async def test_a_volume_that_could_not_be_removed_is_found_later() -> None:
    """The reconciler removes it, and none that a lease still needs."""
    async with world() as w:
        await w.pool.connect(key(), ["base"], SHARED)
        await w.pool.connect(key("s2"), ["base"], SHARED)
        remove, refused = w.backend.remove_volume, asyncio.Event()

        async def refuse(sandbox_id: str) -> None:
            refused.set()
            raise BackendUnavailable("the engine is away")

        w.backend.remove_volume = refuse  # type: ignore[method-assign]
        await w.pool.release(key())
        await refused.wait()
        w.backend.remove_volume = remove  # type: ignore[method-assign]
        assert len(volumes(w)) == 2
        await asyncio.sleep(60)
        (record,) = (await w.records()).values()
        assert volumes(w) == {record.volume}


@virtual
async def test_variables_reach_the_box_and_nobody_else() -> None:
    """They are on the line of the sandboxes of that lease only."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)
        (mine,) = ids(await w.pool.connect(key(), ["base"], LeaseOptions(environment={"API_KEY": "secret"})))
        lines = {name: container.order.start_line() for name, container in w.backend.engine.containers.items()}
        assert lines.pop(mine)["options"] == {"environment": {"API_KEY": "secret"}}
        assert lines
        assert "secret" not in str(list(lines.values()))


@virtual
async def test_a_resolution_needs_a_desktop() -> None:
    """Where no kind that is asked for has one, it is refused before anything happens; one of several is enough."""
    async with world() as w:
        with pytest.raises(InvalidRequest, match="resolution: none of base, extra has a desktop"):
            await w.pool.connect(key(), ["base", "extra"], LeaseOptions(resolution="800x600"))
        assert not w.script.seen["create"]
        await w.pool.connect(key(), ["base", "browser"], LeaseOptions(resolution="800x600"))


@virtual
async def test_who_asks_again_is_not_told_of_what_the_first_call_gives_up() -> None:
    """A connect that was broken off takes what it was given along; the same one again gets another, and keeps it."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)

        async def slowly(record: SandboxRecord, options: LeaseOptions) -> None:
            await asyncio.sleep(5)

        w.means.outfitters.append(slowly)
        first = asyncio.create_task(w.pool.connect(key(), ["base"]))
        await asyncio.sleep(1)
        second = asyncio.create_task(w.pool.connect(key(), ["base"]))
        third = asyncio.create_task(w.pool.connect(key(), ["base"]))
        await asyncio.sleep(1)
        first.cancel()
        lease = await second
        assert ids(lease) == ids(await third)
        await settle()
        assert [(await w.pool.sandbox(each)).state for each in ids(lease)] == [State.LEASED]
