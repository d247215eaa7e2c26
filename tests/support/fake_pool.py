"""A pool on the fake backend, without HTTP, whose every step a test can fail or hold."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from virtual_time import clock

from agentscope_runtime.sandbox.errors import SandboxError, UnknownSandboxType
from agentscope_runtime.sandbox_manager.backends import Blueprint, Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend, FakeEngine
from agentscope_runtime.sandbox_manager.events import Event, Events
from agentscope_runtime.sandbox_manager.heartbeat import DeathWatch, Heartbeat
from agentscope_runtime.sandbox_manager.means import Means, Policy
from agentscope_runtime.sandbox_manager.membership import Alone, Membership
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.reaper import Reaper
from agentscope_runtime.sandbox_manager.reconcile import Reconciler
from agentscope_runtime.sandbox_manager.states import Lease, LeaseKey, SandboxRecord, State
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.succession import Succession

OWNER = Owner("installation-1", "manager-1")
KINDS = ("base", "browser", "extra")


def kinds(sandbox_type: str) -> Blueprint:
    """Know three kinds, of which the browser has a desktop."""
    if sandbox_type not in KINDS:
        raise UnknownSandboxType(f"no sandbox type {sandbox_type!r}")
    has_desktop = sandbox_type == "browser"
    return Blueprint(sandbox_type, f"image-{sandbox_type}", 1 << 30, 10**9, 64 << 20, has_desktop=has_desktop)


def key(session: str = "s1", user: str = "u1") -> LeaseKey:
    """Name a session."""
    return LeaseKey(user, session)


@dataclass
class Script:
    """What happens at the backend's steps: errors to raise, seconds to take, gates to wait at."""

    errors: dict[str, list[SandboxError]] = field(default_factory=lambda: defaultdict(list))
    """By step: raised one after another, once each."""
    broken: dict[str, SandboxError] = field(default_factory=dict)
    """By step: raised every time."""
    takes: dict[str, float] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    at_once: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)

    async def __call__(self, step: str, name: str) -> None:
        """Be the fake backend's hook."""
        self.seen[step] += 1
        self.at_once[step] += 1
        self.most_at_once[step] = max(self.most_at_once[step], self.at_once[step])
        try:
            if step in self.gates:
                await self.gates[step].wait()
            if step in self.takes:
                await asyncio.sleep(self.takes[step])
            if self.errors[step]:
                raise self.errors[step].pop(0)
            if step in self.broken:
                raise self.broken[step]
        finally:
            self.at_once[step] -= 1


@dataclass
class World:
    """A pool and what is around it."""

    pool: Pool
    means: Means
    backend: FakeBackend
    script: Script
    happened: list[Event]
    heartbeat: Heartbeat
    reaper: Reaper
    reconciler: Reconciler

    @property
    def containers(self) -> set[str]:
        """The names of the containers that exist on the engine."""
        return set(self.backend.engine.containers)

    async def records(self) -> dict[str, SandboxRecord]:
        """Return all records by id."""
        return {record.sandbox_id: record for record in await self.pool.sandboxes()}

    def happenings(self, kind: type[Event]) -> list[Event]:
        """Return what happened, of one kind."""
        return [event for event in self.happened if isinstance(event, kind)]


@asynccontextmanager
async def world(
    policy: Policy | None = None,
    *,
    engine: FakeEngine | None = None,
    owner: Owner = OWNER,
    membership: Membership | None = None,
    loops: bool = True,
) -> AsyncIterator[World]:
    """Run a pool in virtual time; with `loops`, its background tasks run, too."""
    script = Script()
    backend = FakeBackend(owner, engine=engine, hook=script, serve=False)
    happened: list[Event] = []
    means = Means(
        store=MemoryStore(owner.manager),
        backend=backend,
        doorbell=backend,
        kinds=kinds,
        events=Events(happened.append),
        policy=policy or Policy(),
        clock=clock,
        membership=membership or Alone(),
    )
    pool = Pool(means)
    heartbeat = Heartbeat(means, pool.retirement)
    reaper = Reaper(means, pool.retirement, pool.suspension, pool.activity)
    succession = Succession(means, pool.retirement, pool.suspension, pool.launcher, pool.forget)
    reconciler = Reconciler(means, pool.retirement, succession, pool.refill)
    watch = DeathWatch(means, pool.retirement, reconciler.look)
    runs: list[Callable[[], Awaitable[None]]] = [pool.refill.run, watch.run]
    if loops:
        runs += [heartbeat.run, reaper.run, reconciler.run]
    with means.events.subscribed(pool.refill.note), means.events.subscribed(pool.admission.note):
        tasks = [asyncio.ensure_future(run()) for run in runs]
        try:
            yield World(pool, means, backend, script, happened, heartbeat, reaper, reconciler)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            script.broken.clear()
            script.errors.clear()
            for gate in script.gates.values():
                gate.set()
            assert await pool.aclose(destroy=True, within=3600) == 0
            assert not [each for each in backend.engine.containers.values() if each.owner == owner]


def ids(lease: Lease) -> list[str]:
    """Return the names of the sandboxes of a lease."""
    return [record.sandbox_id for record in lease.sandboxes]


async def filled(w: World, kind: str = "base", ready: int = 1) -> None:
    """Wait until the pool has so many free sandboxes."""
    for _ in range(1000):
        if (await w.pool.report()).types[kind].ready >= ready:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"not {ready} {kind} sandboxes within 100 s")


RESTING = Policy(idle_timeout=300.0, scan_interval=1.0, idle_action="suspend", suspended_kept=3600.0)
"""Leases are suspended after five minutes, and end an hour later."""


async def suspended(w: World, *kinds: str) -> list[str]:
    """Lease sandboxes to `key()` and leave them alone until they are suspended; return their names."""
    lease = await w.pool.connect(key(), kinds or ["base"])
    await asyncio.sleep(w.means.policy.idle_timeout + 3.0)
    states = {record.state for record in (await w.records()).values() if record.key == key()}
    assert states == {State.SUSPENDED}
    return ids(lease)
