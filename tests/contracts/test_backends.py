"""What every backend promises, with real boxes behind it. A new backend joins by adding its fixture to `SIDES`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from docker_engine import docker_backend, kill

from agentscope_runtime.sandbox.errors import ImageMissing, SandboxError, StartFailed
from agentscope_runtime.sandbox_manager.backends import (
    Backend,
    Blueprint,
    Death,
    Order,
    Owner,
    Started,
    Unreachable,
    WatchBegins,
)
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend, FakeEngine
from agentscope_runtime.sandbox_manager.box import Boxes, box_session
from agentscope_runtime.sandbox_manager.kinds import registered_kinds
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State

READY_WITHIN = 20.0


@dataclass
class Side:
    """One kind of backend, and how a test reaches around it."""

    make: Callable[[Owner], Backend]
    """Makes another backend on the same engine."""
    crash: Callable[[Backend, str], Awaitable[None]]
    """Ends a container as if it had crashed."""
    owner: Owner = field(default_factory=lambda: Owner(secrets.token_hex(8), "mgr-1"))


@asynccontextmanager
async def _fake() -> AsyncIterator[Side]:
    engine = FakeEngine()
    backends: list[FakeBackend] = []

    def make(owner: Owner) -> FakeBackend:
        backends.append(FakeBackend(owner, engine=engine))
        return backends[-1]

    async def crash(_: Backend, sandbox_id: str) -> None:
        await backends[0].die(sandbox_id)

    yield Side(make, crash)


@asynccontextmanager
async def _docker() -> AsyncIterator[Side]:
    async with docker_backend() as backend:
        yield Side(lambda owner: type(backend)(owner), lambda _, name: kill(name), backend.owner)


SIDES = {"fake": _fake, "docker": _docker}


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    """Each kind of backend."""
    async with SIDES[request.param]() as made:
        yield made


class Rig:
    """A backend, and what a test makes with it."""

    def __init__(self, side: Side, stack: AsyncExitStack, boxes: Boxes) -> None:
        self.side = side
        self.boxes = boxes
        self._stack = stack
        self._blueprint = registered_kinds(watchdog_seconds=60.0)("base")
        self.backend = self.another(side.owner)

    def another(self, owner: Owner) -> Backend:
        """Return a backend of another manager on the same engine; it is closed with the rig."""
        backend = self.side.make(owner)
        self._stack.push_async_callback(self._close, backend)
        return backend

    async def _close(self, backend: Backend) -> None:
        for found in await backend.containers():
            await backend.remove(found.sandbox_id)
        for found in await backend.loose_volumes():
            await backend.remove_volume(found.sandbox_id)
        await backend.aclose()

    def order(self, **changes: object) -> Order:
        """Order a base sandbox."""
        name = "sbx-" + secrets.token_hex(10)
        order = Order(name, self._blueprint, created_at=time.time(), token=secrets.token_urlsafe(32))
        return replace(order, **changes)  # type: ignore[arg-type]

    def blueprint(self, **changes: object) -> Blueprint:
        """Return the base sandbox's blueprint, changed."""
        return replace(self._blueprint, **changes)  # type: ignore[arg-type]

    async def up(self, order: Order, started: Started) -> SandboxRecord:
        """Wait until the box of a container is ready."""
        record = SandboxRecord(
            order.sandbox_id, "base", State.WARM, "", order.created_at, order.token, address=started.address
        )
        async with asyncio.timeout(READY_WITHIN):
            while True:
                try:
                    await self.boxes.ready(record, READY_WITHIN)
                except Unreachable:
                    await asyncio.sleep(0.01)  # it does not listen yet, and nothing tells when it will
                else:
                    return record


@pytest.fixture
async def rig(side: Side) -> AsyncIterator[Rig]:
    """A backend with nothing on it."""
    async with AsyncExitStack() as stack:
        yield Rig(side, stack, Boxes(await stack.enter_async_context(box_session())))


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


async def test_concurrent_first_starts_share_one_network(side: Side, rig: Rig) -> None:
    """Several managers of a new installation start at the same moment: all boxes answer."""
    backends = [rig.backend, *(rig.another(replace(side.owner, manager=f"mgr-{number}")) for number in (2, 3))]
    orders = [rig.order() for _ in backends]
    started = await asyncio.gather(*(each.start(order) for each, order in zip(backends, orders, strict=True)))
    await asyncio.gather(*(rig.up(order, made) for order, made in zip(orders, started, strict=True)))
