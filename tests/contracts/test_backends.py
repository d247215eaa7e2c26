"""What every backend promises of one container, with real boxes behind it; see `backend_rig.SIDES` for which."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import replace

import pytest
from backend_rig import Rig

from agentscope_runtime.sandbox.errors import ImageMissing, SandboxError, StartFailed
from agentscope_runtime.sandbox_manager.backends import Death, Remembered, Unreachable, WatchBegins
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend


async def test_a_started_box_gets_its_line_and_answers(rig: Rig) -> None:
    """It knows its token, so it has read its start-up line; another token is refused."""
    order = rig.order()
    started = await rig.backend.start(order)
    assert started.container_id
    assert started.image_id == await rig.backend.image_id(order.blueprint.image)
    record = await rig.up(order, started)
    await rig.boxes.heartbeat(record)
    rig.backend.settle(order.sandbox_id)
    await rig.boxes.heartbeat(record)
    with pytest.raises(SandboxError) as refused:
        await rig.boxes.heartbeat(replace(record, token="another"))
    assert refused.value.code == "not_authorized"


async def test_a_container_is_found_with_what_its_labels_say(rig: Rig) -> None:
    """Who made it, when, and whether it runs."""
    order = rig.order()
    await rig.backend.start(order)
    (found,) = await rig.backend.containers()
    assert (found.sandbox_id, found.manager, found.running) == (order.sandbox_id, "mgr-1", True)
    assert found.created_at == pytest.approx(order.created_at, abs=0.01)
    assert await rig.backend.alive(order.sandbox_id)


async def test_a_removed_container_is_gone_with_its_workspace(rig: Rig) -> None:
    """At once when `remove` returns; removing again, or what never was, is fine."""
    order = rig.order()
    started = await rig.backend.start(order)
    record = await rig.up(order, started)
    await rig.backend.remove(order.sandbox_id)
    assert not await rig.backend.alive(order.sandbox_id)
    assert not await rig.backend.containers()
    assert not await rig.backend.loose_volumes()
    with pytest.raises(Unreachable):
        await rig.boxes.heartbeat(record)
    await rig.backend.remove(order.sandbox_id)
    await rig.backend.remove("sbx-never-was")
    await rig.backend.remove_volume("sbx-never-was")


async def test_a_container_says_how_much_memory_it_uses(rig: Rig) -> None:
    """Some MiB at least, and less than it may; none if there is none."""
    order = rig.order()
    await rig.up(order, await rig.backend.start(order))
    used = await rig.backend.memory_used(order.sandbox_id)
    assert used is not None
    assert 10 << 20 < used <= order.blueprint.memory
    await rig.backend.remove(order.sandbox_id)
    assert await rig.backend.memory_used(order.sandbox_id) is None


async def test_a_shared_workspace_outlives_its_containers(rig: Rig) -> None:
    """Several start with it at once; it is loose when none is left, by its name, and goes when it is removed."""
    volume = "vol-" + secrets.token_hex(10)
    orders = [rig.order(volume=volume) for _ in range(2)]
    await asyncio.gather(*(rig.backend.start(order) for order in orders))
    await rig.backend.remove(orders[0].sandbox_id)
    assert not await rig.backend.loose_volumes(), "one still uses it"
    await rig.backend.remove(orders[1].sandbox_id)
    (left,) = await rig.backend.loose_volumes()
    assert (left.sandbox_id, left.manager) == (volume, "mgr-1")
    await rig.backend.remove_volume(volume)
    assert not await rig.backend.loose_volumes()
    await rig.backend.remove_volume(volume)


async def test_a_crashed_container_removes_itself_and_is_told_of(rig: Rig) -> None:
    """The watch names it and why, and nothing of it stays."""
    watch = rig.backend.watch()
    assert isinstance(await anext(watch), WatchBegins)
    order = rig.order()
    await rig.up(order, await rig.backend.start(order))
    await rig.side.crash(rig.backend, order.sandbox_id)
    async with asyncio.timeout(10):
        death = await anext(watch)
    assert isinstance(death, Death)
    assert death.sandbox_id == order.sandbox_id
    assert "exit code 137" in death.reason
    assert not await rig.backend.alive(order.sandbox_id)
    await rig.backend.remove(order.sandbox_id)  # waits for the engine where that is at it
    assert not await rig.backend.containers()
    assert not await rig.backend.loose_volumes()
    await watch.aclose()  # type: ignore[attr-defined]


async def test_a_missing_image_says_what_to_do(rig: Rig) -> None:
    """ImageMissing, with the image's name and the command; nothing is left behind."""
    blueprint = rig.blueprint(image="agentscope/no-such-image:never")
    if isinstance(rig.backend, FakeBackend):
        rig.backend.engine.missing_images.add(blueprint.image)
    with pytest.raises(ImageMissing, match=r"agentscope/no-such-image:never.*make images"):
        await rig.backend.start(rig.order(blueprint=blueprint))
    assert await rig.backend.image_id(blueprint.image) is None
    assert not await rig.backend.containers()


async def test_a_second_start_of_the_same_name_is_refused(rig: Rig) -> None:
    """A repeated order does not make two containers, and does not harm the first."""
    order = rig.order()
    started = await rig.backend.start(order)
    with pytest.raises(StartFailed):
        await rig.backend.start(order)
    await rig.up(order, started)


async def test_nothing_appears_after_a_cancelled_start(rig: Rig) -> None:
    """Whenever the caller leaves: what is there when `start` has returned can be removed, and nothing comes later."""
    for moment in (0.0, 0.01, 0.05, 0.2):
        order = rig.order()
        starting = asyncio.create_task(rig.backend.start(order))
        await asyncio.sleep(moment)
        starting.cancel()
        await asyncio.wait([starting])
        await rig.backend.remove(order.sandbox_id)
        await asyncio.sleep(0.3)  # a late container would show itself now
        assert not await rig.backend.containers()
    assert not await rig.backend.loose_volumes()


async def test_a_box_remembers_what_its_manager_noted(rig: Rig) -> None:
    """As it came; the answer to a heartbeat names it; a later lease's note is not overwritten by an older one's."""
    order = rig.order()
    record = await rig.up(order, await rig.backend.start(order))
    assert await rig.boxes.heartbeat(record) == ""
    assert await rig.boxes.read_note(record) == Remembered(b"", 0)
    note = "ä\n\0".encode()
    await rig.boxes.write_note(replace(record, generation=2), note)
    assert await rig.boxes.read_note(record) == Remembered(note, 2)
    assert await rig.boxes.heartbeat(record) == hashlib.sha256(note).hexdigest()
    with pytest.raises(SandboxError) as refused:
        await rig.boxes.write_note(replace(record, generation=1), b"late")
    assert refused.value.code == "stale_generation"
    assert await rig.boxes.read_note(record) == Remembered(note, 2)
    await rig.backend.remove(order.sandbox_id)
    with pytest.raises(Unreachable):
        await rig.boxes.read_note(record)
