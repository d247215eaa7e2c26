"""How large the pools are at a moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from fake_pool import filled, key, kinds, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox_manager.backends import Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend
from agentscope_runtime.sandbox_manager.events import SandboxReady
from agentscope_runtime.sandbox_manager.means import Means, Policy
from agentscope_runtime.sandbox_manager.sizing import SHRINK_EVERY
from agentscope_runtime.sandbox_manager.states import Census, Limits
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.targets import Targets, spare_on_machine

GIB = 1 << 30


@dataclass
class Day:
    """Targets whose time, memory and sessions a test makes up."""

    policy: Policy
    spare: int | None = None
    now: float = 1000.0
    taken: int = 0

    def __post_init__(self) -> None:
        backend = FakeBackend(Owner("installation", "manager"), serve=False)
        means = Means(MemoryStore(), backend, backend, kinds, policy=self.policy, clock=lambda: self.now)
        self.targets = Targets(means, spare=lambda: self.spare)

    def look(self, **census: Any) -> float | None:
        """Look, with so many sessions as have come."""
        return self.targets.look({"base": Census(taken=self.taken, **census)})

    def pass_by(self, seconds: int, sessions_a_second: int) -> None:
        """Let time pass, with looks every second."""
        for _ in range(seconds):
            self.now += 1.0
            self.taken += sessions_a_second
            self.look()


def sized(**more: Any) -> Policy:
    """Return rules that size the pool of base."""
    return Policy(**{"targets": {"base": 1}, "most": {"base": 50}, "hit_ratio": 0.99, "parallel": 8, **more})


def test_without_a_hit_ratio_it_is_what_was_set() -> None:
    """However many come."""
    day = Day(Policy(targets={"base": 2}))
    day.pass_by(100, 5)
    assert (day.targets["base"], day.targets["browser"], day.targets.kinds) == (2, 0, {"base"})
    assert day.look() is None


def test_pools_grow_with_the_sessions_and_shrink_after_them() -> None:
    """Up at once, down by and by, and it says when to look again."""
    day = Day(sized())
    day.pass_by(60, 0)
    assert day.targets["base"] == 1
    day.pass_by(120, 2)
    busy = day.targets["base"]
    assert busy >= 8  # a start is taken to last two seconds, so four are outstanding on average
    assert day.look() == SHRINK_EVERY
    day.pass_by(20_000, 0)
    assert day.targets["base"] == 1
    assert day.look() is None


def test_what_starts_take_is_learned() -> None:
    """Shorter starts need smaller pools."""
    sizes = []
    for took in (0.2, 6.0):
        day = Day(sized())
        day.look()
        for _ in range(20):
            day.targets.note(SandboxReady("sbx", "base", took))
        day.pass_by(600, 1)
        sizes.append(day.targets["base"])
    assert sizes[0] <= 3 < 8 <= sizes[1]


def test_sessions_that_came_before_anybody_counted_are_no_rush() -> None:
    """A new leader of a pool that served a million does not start fifty."""
    day = Day(sized(), taken=1_000_000)
    day.look()
    day.pass_by(5, 0)
    assert day.targets["base"] == 1


def test_sessions_between_two_looks_are_no_burst() -> None:
    """Ten in ten seconds came one after another, as far as anybody knows."""
    day = Day(sized())
    day.look()
    for _ in range(60):
        day.now += 10.0
        day.taken += 10
        day.look()
    assert day.targets["base"] <= 8


def test_memory_bounds_growth_but_not_the_least() -> None:
    """What the limit leaves, and what the machine has."""
    limited = Day(sized(limits=Limits(memory=10 * GIB)))
    limited.look()
    limited.now += 1
    limited.taken += 40
    limited.look(leased=6, starting=2, ready=1, unclaimed=1)  # eight are somebody's: two GiB are left
    assert limited.targets["base"] == 2
    small = Day(sized(targets={"base": 3}), spare=0)
    small.pass_by(60, 5)
    assert small.targets["base"] == 3
    small.spare = 5 * GIB
    small.pass_by(1, 5)
    assert small.targets["base"] == 5


def test_the_machine_keeps_a_reserve() -> None:
    """The pool never takes all that is available."""
    spare = spare_on_machine()
    assert spare is not None and spare >= 0


@virtual
async def test_a_pool_learns_from_its_sessions_what_it_has_to_keep_ready() -> None:
    """At first it misses; once it knows, nearly nothing. The report shows the size of the moment."""
    policy = Policy(targets={"base": 0}, most={"base": 20}, hit_ratio=0.95, parallel=4)
    async with world(policy, loops=False) as w:
        w.script.takes["start"] = 1.0
        for number in range(120):
            await w.pool.connect(key(f"s{number}"), ["base"])
            await asyncio.sleep(1.0)
            await w.pool.release(key(f"s{number}"))
        report = (await w.pool.report()).types["base"]
        assert 1 <= report.target <= 5
        assert report.misses <= 3
        await asyncio.sleep(3 * 3600)
        await settle()
        assert (await w.pool.report()).types["base"].target == 0


@virtual
async def test_reconnects_and_sandboxes_made_for_a_lease_are_no_demand() -> None:
    """The pool could not have had them ready."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)
        for _ in range(3):
            await w.pool.connect(key("s1"), ["base"])
        from agentscope_runtime.sandbox.wire import LeaseOptions

        await w.pool.connect(key("s2"), ["base"], LeaseOptions(shared_workspace=True))
        assert (await w.pool.store.census())["base"].taken == 1
