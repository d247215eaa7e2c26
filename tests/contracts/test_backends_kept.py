"""What every backend promises of sandboxes that rest: workspaces that outlive containers, containers that freeze."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from backend_rig import Rig

from agentscope_runtime.sandbox.errors import SandboxDied, SandboxError
from agentscope_runtime.sandbox_manager.backends import Order, Unreachable
from agentscope_runtime.sandbox_manager.states import SandboxRecord

THAW_WITHIN = 0.5
"""Seconds, with room for a busy machine; what it takes on an idle one is in `tests/bench`."""


async def _unreached(record: SandboxRecord) -> SandboxError:
    raise AssertionError(f"{record.sandbox_id} was not reached")


async def started(rig: Rig, order: Order) -> SandboxRecord:
    """Start a sandbox, and wait until it answers."""
    return await rig.up(order, await rig.backend.start(order))


async def write(rig: Rig, record: SandboxRecord, text: str) -> None:
    """Write the file that these tests look for."""
    async with rig.boxes.open(record, _unreached).request(
        "PUT", "/files/content", params={"path": "note.txt"}, data=text.encode()
    ):
        pass


async def read(rig: Rig, record: SandboxRecord) -> str:
    """Read it."""
    async with rig.boxes.open(record, _unreached).request(
        "GET", "/files/content", params={"path": "note.txt"}
    ) as answer:
        return await answer.text()


async def kept(rig: Rig, text: str, **changes: object) -> Order:
    """Leave a workspace with a file, and no container; return the order of a container that goes on with it."""
    order = rig.order(**changes)
    await write(rig, await started(rig, order), text)
    await rig.backend.remove(order.sandbox_id, keep_workspace=True)
    assert not await rig.backend.containers()
    return replace(order, restored=True)


async def test_a_kept_workspace_is_there_again(rig: Rig) -> None:
    """However often its container goes and comes, and whoever starts it; meanwhile it is loose under its name."""
    order = await kept(rig, "hello")
    (loose,) = await rig.backend.loose_volumes()
    assert (loose.sandbox_id, loose.manager) == (order.sandbox_id, "mgr-1")
    other = rig.another(replace(rig.side.owner, manager="mgr-2"))
    record = await rig.up(order, await other.start(order))
    assert not await rig.backend.loose_volumes()
    assert await read(rig, record) == "hello"
    await write(rig, record, "again")
    await other.remove(order.sandbox_id, keep_workspace=True)
    assert await read(rig, await started(rig, order)) == "again"


async def test_a_restored_sandbox_is_removed_with_its_workspace(rig: Rig) -> None:
    """Nothing stays, although the workspace had outlived a container before."""
    order = await kept(rig, "hello")
    await started(rig, order)
    await rig.backend.remove(order.sandbox_id)
    assert not await rig.backend.containers()
    assert not await rig.backend.loose_volumes()


async def test_a_kept_workspace_is_removed_without_its_container(rig: Rig) -> None:
    """The sandbox that rests is removed like any other."""
    order = await kept(rig, "hello")
    await rig.backend.remove(order.sandbox_id)
    assert not await rig.backend.loose_volumes()
    await rig.backend.remove(order.sandbox_id)


async def test_a_removal_that_meets_a_keeping_wins(rig: Rig) -> None:
    """Released in the moment in which it is put to rest, by another manager even: its workspace goes, too."""
    order = rig.order()
    await started(rig, order)
    other = rig.another(replace(rig.side.owner, manager="mgr-2"))
    await asyncio.gather(rig.backend.remove(order.sandbox_id, keep_workspace=True), other.remove(order.sandbox_id))
    assert not await rig.backend.containers()
    assert not await rig.backend.loose_volumes()


async def test_a_restored_sandbox_that_crashes_leaves_its_workspace(rig: Rig) -> None:
    """Until it is removed: the engine does not take it along any more."""
    order = await kept(rig, "hello")
    await started(rig, order)
    await rig.side.crash(rig.backend, order.sandbox_id)
    await rig.backend.remove(order.sandbox_id)
    assert not await rig.backend.containers()
    assert not await rig.backend.loose_volumes()


async def test_without_its_workspace_nothing_is_restored(rig: Rig) -> None:
    """An empty workspace would look as if somebody had emptied it: it is an error, and nothing is left behind."""
    order = await kept(rig, "hello")
    await rig.backend.remove_volume(order.sandbox_id)
    with pytest.raises(SandboxDied, match=r"workspace .* is gone; connect again"):
        await rig.backend.start(order)
    with pytest.raises(SandboxDied):
        await rig.backend.start(rig.order(volume="vol-never-was", restored=True))
    assert not await rig.backend.containers()
    assert not await rig.backend.loose_volumes()


async def test_a_shared_workspace_is_restored_by_its_name(rig: Rig) -> None:
    """It stays without its containers anyway; a removal of one of them leaves it."""
    order = await kept(rig, "hello", volume="vol-of-a-lease")
    assert await read(rig, await started(rig, order)) == "hello"
    await rig.backend.remove(order.sandbox_id)
    (loose,) = await rig.backend.loose_volumes()
    assert loose.sandbox_id == "vol-of-a-lease"


async def test_a_frozen_box_runs_and_answers_nobody(rig: Rig) -> None:
    """It is found as one that runs; freezing it again changes nothing."""
    order = rig.order()
    record = await started(rig, order)
    await write(rig, record, "hello")
    for _ in range(2):
        await rig.backend.pause(order.sandbox_id)
    assert await rig.backend.alive(order.sandbox_id)
    (found,) = await rig.backend.containers()
    assert found.running
    with pytest.raises((Unreachable, TimeoutError)):
        async with asyncio.timeout(0.3):
            await rig.boxes.heartbeat(record)
    await rig.backend.unpause(order.sandbox_id)
    assert await read(rig, record) == "hello"


async def test_a_thaw_is_hardly_noticed(rig: Rig) -> None:
    """A box answers a moment after it was told to go on; telling one that was not frozen changes nothing."""
    order = rig.order()
    record = await started(rig, order)
    await rig.boxes.heartbeat(record)
    took = []
    for _ in range(5):
        await rig.backend.pause(order.sandbox_id)
        began = time.perf_counter()
        await rig.backend.unpause(order.sandbox_id)
        await rig.boxes.heartbeat(record)
        took.append(time.perf_counter() - began)
    assert sorted(took)[2] < THAW_WITHIN
    await rig.backend.unpause(order.sandbox_id)
    await rig.boxes.heartbeat(record)


async def test_a_frozen_container_can_be_removed(rig: Rig) -> None:
    """With its workspace, or without; one that is gone is neither frozen nor thawed, and that is fine."""
    first, second = rig.order(), rig.order()
    for order, keep in ((first, False), (second, True)):
        await started(rig, order)
        await rig.backend.pause(order.sandbox_id)
        await rig.backend.remove(order.sandbox_id, keep_workspace=keep)
    assert not await rig.backend.containers()
    assert [each.sandbox_id for each in await rig.backend.loose_volumes()] == [second.sandbox_id]
    await rig.backend.pause(first.sandbox_id)
    await rig.backend.unpause(first.sandbox_id)


async def test_a_call_that_meets_a_frozen_box_waits_for_the_thaw(rig: Rig) -> None:
    """It is not lost: whoever thaws the box lets it through."""
    order = rig.order()
    record = await started(rig, order)
    await rig.backend.pause(order.sandbox_id)
    call = asyncio.create_task(rig.boxes.heartbeat(record))
    done, _ = await asyncio.wait([call], timeout=0.2)
    assert not done
    await rig.backend.unpause(order.sandbox_id)
    await call
