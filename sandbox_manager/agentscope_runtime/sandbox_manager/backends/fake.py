"""A backend without containers: boxes in this process that answer the box API from memory.

For tests of whatever is above a backend, ours and other people's, and for trying the manager where no container engine
is. What users run is not run: see `fake_box`. It passes the same contract suite as the real ones; beyond the protocol
it lets a test look inside, kill boxes, and fail or hold any step.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from agentscope_runtime.sandbox.errors import ImageMissing, SandboxDied, StartFailed
from agentscope_runtime.sandbox_manager.backends import (
    Death,
    Found,
    Order,
    Owner,
    Remembered,
    Started,
    Unreachable,
    WatchBegins,
    WatchLost,
)
from agentscope_runtime.sandbox_manager.backends.fake_box import FakeBox
from agentscope_runtime.sandbox_manager.backends.fake_files import FakeFiles
from agentscope_runtime.sandbox_manager.states import Address, SandboxRecord
from agentscope_runtime.sandbox_manager.uninterrupted import uninterrupted

Hook = Callable[[str, str], Awaitable[None]]
"""Called with a step and a sandbox id (or image) before the step is done; may wait, and may raise to make it fail.

The steps: `create`, `start`, `started` (running, and not told yet), `ready`, `heartbeat`, `alive`, `remove`,
`pause`, `unpause`, `containers`, `image_id`, `memory_used`.
"""
MEMORY = 100 << 20
"""Bytes that each of its boxes is said to use."""


async def _no_hook(step: str, name: str) -> None:
    return


@dataclass(slots=True)
class FakeContainer:
    """A container that is none."""

    order: Order
    owner: Owner
    box: FakeBox
    running: bool = False
    started: Started | None = None

    def found(self) -> Found:
        """Return what a listing tells of it."""
        found = Found(self.order.sandbox_id, self.owner.manager, self.order.created_at, self.running)
        found = replace(found, sandbox_type=self.order.blueprint.sandbox_type)
        if self.started is None:
            return found
        address = self.started.address if self.running else None
        return replace(found, container_id=self.started.container_id, image_id=self.started.image_id, address=address)


@dataclass(slots=True)
class FakeEngine:
    """What several fake backends share, as managers on one machine share a container engine."""

    containers: dict[str, FakeContainer] = field(default_factory=dict)
    loose: dict[str, tuple[Owner, Found]] = field(default_factory=dict)
    """Workspaces of one sandbox that lost their container, or were kept without it."""
    shared: dict[str, tuple[Owner, Found]] = field(default_factory=dict)
    """Volumes that are shared, whether or not a container uses them."""
    contents: dict[str, FakeFiles] = field(default_factory=dict)
    """What is in all of these, by their names."""
    missing_images: set[str] = field(default_factory=set)
    revision: int = 1
    """Part of every image id; another one is a rebuilt image."""
    watchers: list[tuple[Owner, bool, asyncio.Queue[WatchBegins | Death | WatchLost]]] = field(default_factory=list)
    """Whose deaths they hear of, whether of their installation's others, too, and where."""


class FakeBackend:
    """See the module; `serve=False` leaves out HTTP, for tests in virtual time: then it is its boxes' doorbell, too."""

    def __init__(
        self, owner: Owner, *, engine: FakeEngine | None = None, hook: Hook = _no_hook, serve: bool = True
    ) -> None:
        self.owner = owner
        self.engine = engine or FakeEngine()
        self.hook = hook
        self._serve = serve
        self._ports = itertools.count(1)

    async def start(self, order: Order) -> Started:
        """See `Backend.start`."""
        sandbox_id, blueprint = order.sandbox_id, order.blueprint
        await self.hook("create", sandbox_id)
        if blueprint.image in self.engine.missing_images:
            raise ImageMissing(f"there is no image {blueprint.image}; run `make images`")
        if sandbox_id in self.engine.containers:
            raise StartFailed(f"there is a container {sandbox_id} already")
        files = self._workspace(order)
        box = FakeBox(order.token, blueprint.sandbox_type, has_desktop=blueprint.has_desktop, files=files)
        box.generation = order.generation
        container = self.engine.containers[sandbox_id] = FakeContainer(order, self.owner, box)
        await self.hook("start", sandbox_id)
        address = await uninterrupted(box.serve()) if self._serve else Address("memory", next(self._ports))
        container.running = True
        container.started = Started(f"fake-{sandbox_id}", self._image_id(blueprint.image), address)
        await self.hook("started", sandbox_id)
        return container.started

    def _workspace(self, order: Order) -> FakeFiles:
        engine, name = self.engine, order.volume or order.sandbox_id
        if order.restored and name not in engine.contents:
            raise SandboxDied(f"the workspace of sandbox {order.sandbox_id} is gone; connect again to get a fresh one")
        engine.loose.pop(name, None)
        if order.volume:
            found = Found(name, self.owner.manager, order.created_at, running=False)
            engine.shared.setdefault(name, (self.owner, found))
            return engine.contents.setdefault(name, FakeFiles())
        return engine.contents.pop(name, None) or FakeFiles()

    async def remove(self, sandbox_id: str, *, keep_workspace: bool = False) -> None:
        """See `Backend.remove`."""
        await self.hook("remove", sandbox_id)
        if container := self.engine.containers.pop(sandbox_id, None):
            was_running, container.running = container.running, False
            if keep_workspace:
                self._keep(container)
            await container.box.close()
            if was_running:
                self._tell(container.owner, Death(sandbox_id, "ended with exit code 137"))
        if not keep_workspace:
            await self.remove_volume(sandbox_id)

    def _keep(self, container: FakeContainer) -> None:
        if not container.order.volume:
            found = container.found()
            self.engine.loose[found.sandbox_id] = (container.owner, found)
            self.engine.contents[found.sandbox_id] = container.box.files

    async def pause(self, sandbox_id: str) -> None:
        """See `Backend.pause`."""
        await self.hook("pause", sandbox_id)
        if container := self.engine.containers.get(sandbox_id):
            container.box.awake.clear()

    async def unpause(self, sandbox_id: str) -> None:
        """See `Backend.unpause`."""
        await self.hook("unpause", sandbox_id)
        if container := self.engine.containers.get(sandbox_id):
            container.box.awake.set()

    async def alive(self, sandbox_id: str) -> bool:
        """See `Backend.alive`."""
        await self.hook("alive", sandbox_id)
        container = self.engine.containers.get(sandbox_id)
        return container is not None and container.running

    async def memory_used(self, sandbox_id: str) -> int | None:
        """See `Backend.memory_used`; always the same."""
        await self.hook("memory_used", sandbox_id)
        return MEMORY if await self.alive(sandbox_id) else None

    async def last_words(self, sandbox_id: str) -> str:
        """See `Backend.last_words`."""
        container = self.engine.containers.get(sandbox_id)
        return "" if container is None else container.box.words

    def settle(self, sandbox_id: str) -> None:
        """See `Backend.settle`."""

    async def image_id(self, image: str) -> str | None:
        """See `Backend.image_id`."""
        await self.hook("image_id", image)
        return None if image in self.engine.missing_images else self._image_id(image)

    async def containers(self) -> list[Found]:
        """See `Backend.containers`."""
        await self.hook("containers", "")
        return [container.found() for container in self.engine.containers.values() if self._mine(container.owner)]

    async def loose_volumes(self) -> list[Found]:
        """See `Backend.loose_volumes`."""
        used = {container.order.volume for container in self.engine.containers.values()}
        free = [each for name, each in self.engine.shared.items() if name not in used]
        return [volume for owner, volume in (*self.engine.loose.values(), *free) if self._mine(owner)]

    async def remove_volume(self, sandbox_id: str) -> None:
        """See `Backend.remove_volume`."""
        for volumes in (self.engine.loose, self.engine.shared, self.engine.contents):
            volumes.pop(sandbox_id, None)

    async def watch(self, *, of_all: bool = False) -> AsyncIterator[WatchBegins | Death | WatchLost]:
        """See `Backend.watch`."""
        news: asyncio.Queue[WatchBegins | Death | WatchLost] = asyncio.Queue()
        watcher = (self.owner, of_all, news)
        self.engine.watchers.append(watcher)
        try:
            yield WatchBegins()
            while True:
                yield await news.get()
        finally:
            self.engine.watchers.remove(watcher)

    async def aclose(self) -> None:
        """Stop serving; the boxes of this manager end with it."""
        for container in self.engine.containers.values():
            if container.owner == self.owner:
                await container.box.close()

    # --- beyond the protocol

    async def die(self, sandbox_id: str, reason: str = "ended with exit code 137", *, quietly: bool = False) -> None:
        """End a container as a crash would: it is gone at once; `quietly`: and the engine does not tell."""
        container = self.engine.containers.pop(sandbox_id)
        container.running = False
        if container.order.restored:  # its workspace has a name by then, and stays until somebody removes it
            self._keep(container)
        await container.box.close()
        if not quietly:
            self._tell(container.owner, Death(sandbox_id, reason))

    async def ready(self, record: SandboxRecord, wait: float) -> None:
        """Answer as `Doorbell.ready`, for boxes that serve no HTTP."""
        await self.hook("ready", record.sandbox_id)
        self._knock(record)

    async def heartbeat(self, record: SandboxRecord) -> str:
        """Answer as `Doorbell.heartbeat`, for boxes that serve no HTTP."""
        await self.hook("heartbeat", record.sandbox_id)
        return self._knock(record).box.note.digest

    async def write_note(self, record: SandboxRecord, note: bytes) -> None:
        """Answer as `Doorbell.write_note`, for boxes that serve no HTTP."""
        box = self._knock(record).box
        box.note.note, box.generation = note, max(box.generation, record.generation)

    async def read_note(self, record: SandboxRecord) -> Remembered:
        """Answer as `Doorbell.read_note`, for boxes that serve no HTTP."""
        box = self._knock(record).box
        return Remembered(box.note.note, box.generation)

    def _knock(self, record: SandboxRecord) -> FakeContainer:
        container = self.engine.containers.get(record.sandbox_id)
        if container is None or not container.running or not container.box.awake.is_set():
            raise Unreachable(record.sandbox_id)
        return container

    def _mine(self, owner: Owner) -> bool:
        return owner.installation == self.owner.installation

    def _image_id(self, image: str) -> str:
        return f"sha256:{image}@{self.engine.revision}"

    def _tell(self, owner: Owner, death: Death) -> None:
        for watcher, of_all, news in self.engine.watchers:
            if watcher == owner or (of_all and watcher.installation == owner.installation):
                with suppress(asyncio.QueueFull):
                    news.put_nowait(death)
