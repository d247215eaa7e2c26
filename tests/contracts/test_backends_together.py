"""What every backend promises of several managers on one engine: what they see of each other, and what they do not."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

from backend_rig import Rig, Side

from agentscope_runtime.sandbox_manager.backends import Death, Owner


async def test_a_watch_tells_of_its_own_manager_only(rig: Rig) -> None:
    """Two managers on one engine do not hear of each other's boxes."""
    watch = rig.backend.watch()
    await anext(watch)
    other = rig.another(replace(rig.side.owner, manager="mgr-2"))
    theirs, mine = rig.order(), rig.order()
    await other.start(theirs)
    await rig.backend.start(mine)
    await other.remove(theirs.sandbox_id)
    await rig.backend.remove(mine.sandbox_id)
    async with asyncio.timeout(10):
        death = await anext(watch)
    assert isinstance(death, Death)
    assert death.sandbox_id == mine.sandbox_id
    await watch.aclose()  # type: ignore[attr-defined]


async def test_a_watch_of_all_tells_of_each_manager_of_the_installation(rig: Rig) -> None:
    """Where boxes outlive their managers, somebody has to hear of those whose manager is gone."""
    watch = rig.backend.watch(of_all=True)
    await anext(watch)
    other, stranger = (
        rig.another(replace(rig.side.owner, manager="mgr-2")),
        rig.another(Owner(secrets.token_hex(8), "mgr-1")),
    )
    theirs, foreign = rig.order(), rig.order()
    await stranger.start(foreign)
    await other.start(theirs)
    await stranger.remove(foreign.sandbox_id)
    await other.remove(theirs.sandbox_id)
    async with asyncio.timeout(10):
        death = await anext(watch)
    assert isinstance(death, Death)
    assert death.sandbox_id == theirs.sandbox_id
    await watch.aclose()  # type: ignore[attr-defined]


async def test_a_found_box_can_be_talked_to(rig: Rig) -> None:
    """What a listing tells is enough for a manager that has lost its records: kind, image, address."""
    order = rig.order()
    started = await rig.backend.start(order)
    record = await rig.up(order, started)
    (found,) = await rig.another(replace(rig.side.owner, manager="mgr-2")).containers()
    assert (found.sandbox_type, found.container_id, found.image_id) == ("base", started.container_id, started.image_id)
    assert found.address is not None
    await rig.boxes.heartbeat(replace(record, address=found.address))


async def test_managers_of_one_installation_see_each_others_containers(rig: Rig) -> None:
    """So that the living can remove what the dead left."""
    other = rig.another(replace(rig.side.owner, manager="mgr-2"))
    order = rig.order()
    await other.start(order)
    (found,) = await rig.backend.containers()
    assert found.manager == "mgr-2"
    await rig.backend.remove(order.sandbox_id)
    assert not await other.containers()


async def test_other_installations_are_invisible(rig: Rig) -> None:
    """What belongs to another installation is not found, so it is never removed by mistake."""
    other = rig.another(Owner(secrets.token_hex(8), "mgr-1"))
    await rig.backend.start(rig.order())
    assert await other.containers() == []
    assert await other.loose_volumes() == []


async def test_concurrent_first_starts_share_one_network(side: Side, rig: Rig) -> None:
    """Several managers of a new installation start at the same moment: all boxes answer."""
    backends = [rig.backend, *(rig.another(replace(side.owner, manager=f"mgr-{number}")) for number in (2, 3))]
    orders = [rig.order() for _ in backends]
    started = await asyncio.gather(*(each.start(order) for each, order in zip(backends, orders, strict=True)))
    await asyncio.gather(*(rig.up(order, made) for order, made in zip(orders, started, strict=True)))
