"""The queue of starts, by itself: what comes when, and how many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from fake_pool import OWNER, Script, key, kinds
from virtual_time import clock, settle, virtual

from agentscope_runtime.sandbox.errors import SandboxError, StartFailed
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend
from agentscope_runtime.sandbox_manager.launcher import SLOW_AFTER, Launcher
from agentscope_runtime.sandbox_manager.means import Means, Policy
from agentscope_runtime.sandbox_manager.states import Limits, SandboxRecord
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore


@dataclass
class Bench:
    """A launcher, and what came of what it was given."""

    means: Means
    script: Script
    ready: list[tuple[str, float]] = field(default_factory=list)
    """Name and seconds, in the order of becoming ready."""
    failed: list[tuple[str, SandboxError]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the launcher."""
        self.launcher = Launcher(self.means, on_ready=self._is_ready, on_failed=self._has_failed)

    async def submit(self, *names: str, urgent: bool = False) -> None:
        """Record sandboxes, for a session or for the pool, and submit them together."""
        records = []
        for name in names:
            record = replace(self.means.draft("base"), sandbox_id=name, key=key(name) if urgent else None)
            assert await self.means.store.record_start(record, limits=Limits(0))
            records.append(record)
        self.launcher.submit(records)

    @property
    def order(self) -> list[str]:
        """The names of those that are ready, in that order."""
        return [name for name, _ in self.ready]

    @property
    def containers(self) -> set[str]:
        """The containers that exist."""
        assert isinstance(self.means.backend, FakeBackend)
        return set(self.means.backend.engine.containers)

    async def _is_ready(self, record: SandboxRecord, took: float) -> None:
        self.ready.append((record.sandbox_id, took))

    async def _has_failed(self, record: SandboxRecord, error: SandboxError) -> None:
        self.failed.append((record.sandbox_id, error))


@asynccontextmanager
async def bench(policy: Policy) -> AsyncIterator[Bench]:
    """Have a launcher on the fake backend; each start takes a second."""
    script = Script(takes={"start": 1.0})
    backend = FakeBackend(OWNER, hook=script, serve=False)
    b = Bench(Means(MemoryStore(), backend, backend, kinds, policy=policy, clock=clock), script)
    try:
        yield b
    finally:
        await b.launcher.aclose()


@virtual
async def test_sessions_come_before_the_pool_and_each_in_turn() -> None:
    """What was asked for by nobody waits for what somebody waits for, whenever it came."""
    async with bench(Policy(parallel=1)) as b:
        await b.submit("running", "pool-1", "pool-2")
        await b.submit("session-1", "session-2", urgent=True)
        await b.submit("session-3", urgent=True)
        assert b.launcher.queued == 5
        await asyncio.sleep(6.5)
        assert b.order == ["running", "session-1", "session-2", "session-3", "pool-1", "pool-2"]
        assert b.launcher.queued == 0


@virtual
async def test_a_few_at_a_time() -> None:
    """The cap is used up, and never exceeded."""
    async with bench(Policy(parallel=2)) as b:
        await b.submit("a", "b", "c", "d", "e")
        await asyncio.sleep(3.5)
        assert b.script.most_at_once["start"] == 2
        assert sorted(b.ready) == [(name, 1.0) for name in "abcde"]


@virtual
async def test_no_more_containers_than_the_limit_until_one_is_known_to_be_gone() -> None:
    """One that is just being removed counts: the engine still has it."""
    async with bench(Policy(parallel=4, limits=Limits(1))) as b:
        await b.submit("old", "new")
        await asyncio.sleep(100)
        assert b.order == ["old"]
        b.launcher.removed("old")
        await asyncio.sleep(1.5)
        assert b.order == ["old", "new"]


@virtual
async def test_what_somebody_waits_for_is_brought_forward() -> None:
    """A start of the pool's that serves a session now overtakes the others; unknown names do no harm."""
    async with bench(Policy(parallel=1)) as b:
        await b.submit("running", "pool-1", "pool-2")
        b.launcher.hurry(["pool-2", "unheard-of"])
        await asyncio.sleep(3.5)
        assert b.order == ["running", "pool-2", "pool-1"]


@virtual
async def test_a_container_that_is_awaited_knows_it() -> None:
    """Whether its session asked for it or took it over from the pool; the pool's own are awaited by nobody."""
    async with bench(Policy(parallel=1)) as b:
        await b.submit("running", "pool-1", "pool-2")
        await b.submit("session", urgent=True)
        b.launcher.hurry(["pool-2"])
        await asyncio.sleep(4.5)
        assert isinstance(b.means.backend, FakeBackend)
        containers = b.means.backend.engine.containers
        awaited = {name: container.order.awaited for name, container in containers.items()}
        assert awaited == {"running": False, "session": True, "pool-2": True, "pool-1": False}


@virtual
async def test_after_an_abort_no_container_can_appear() -> None:
    """Neither of one that waits nor of one that starts; its slot serves the next one, and nobody is told."""
    async with bench(Policy(parallel=1)) as b:
        await b.submit("starting", "queued", "next")
        await settle()
        await b.launcher.abort("queued")
        created = b.script.seen["create"]
        await b.launcher.abort("starting")
        await b.launcher.abort("unheard-of")
        await asyncio.sleep(1.5)
        assert b.script.seen["create"] == created + 1
        assert b.order == ["next"]
        assert not b.failed


@virtual
async def test_a_slow_start_frees_its_slot_and_goes_on() -> None:
    """One that hangs holds the others up for a while only, and may still make it."""
    async with bench(Policy(parallel=1)) as b:
        gate = b.script.gates["ready"] = asyncio.Event()
        await b.submit("slow", "next")
        await asyncio.sleep(SLOW_AFTER - 0.1)
        assert b.script.seen["create"] == 1
        del b.script.gates["ready"]
        await asyncio.sleep(1.2)
        assert b.ready == [("next", 1.0)]
        gate.set()
        await settle()
        assert b.order == ["next", "slow"]


@virtual
async def test_a_failure_is_told_and_the_next_one_starts() -> None:
    """As an error of the family, also when it was a bug."""
    async with bench(Policy(parallel=1)) as b:
        b.script.errors["create"] = [StartFailed("no room")]
        await b.submit("bad", "good")
        await asyncio.sleep(1.5)
        ((name, error),) = b.failed
        assert (name, error.detail) == ("bad", "no room")
        assert b.order == ["good"]


@virtual
async def test_once_closed_it_starts_nothing() -> None:
    """What was under way ends, what waits is dropped, what comes is not begun."""
    async with bench(Policy(parallel=1)) as b:
        await b.submit("starting", "queued")
        await settle()
        await b.launcher.aclose()
        await b.submit("late")
        await asyncio.sleep(10)
        assert not b.ready
        assert b.script.seen["create"] == 1
