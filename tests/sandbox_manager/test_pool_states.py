"""The pool under arbitrary orders of events, failures and cancellations, step by step against the fake backend.

Each step of the backend waits until the machine lets it pass or fail, so sessions come and go, boxes die and hours
pass between any two of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from fake_pool import World, key, world
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from virtual_time import VirtualTimeLoop, settle

from agentscope_runtime.sandbox.errors import BackendUnavailable, ImageMissing, SandboxError, StartFailed
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import Lease, LeaseKey, Limits, State

T = TypeVar("T")
HELD = ("create", "start", "started", "ready", "remove")
FAILURES: tuple[type[Exception], ...] = (StartFailed, BackendUnavailable, ImageMissing, RuntimeError)
SESSIONS = tuple(key(f"s{number}", user) for number in range(3) for user in ("u1", "u2"))
POLICIES = (
    Policy(targets={"base": 2, "browser": 1}, limits=Limits(4), parallel=2),
    Policy(targets={"base": 1}, limits=Limits(0), parallel=1),
    Policy(targets={}, limits=Limits(2), parallel=2),
    Policy(targets={"base": 1}, limits=Limits(1), parallel=2),
    Policy(targets={"base": 2}, limits=Limits(3), parallel=4),
)
any_kinds = st.lists(st.sampled_from(["base", "browser", "extra"]), min_size=1, max_size=3, unique=True)
# Mostly the same kind, so that sessions compete for it.
kinds = st.one_of(st.just(["base"]), any_kinds)


@dataclass
class Step:
    """A step of the backend that waits for the machine."""

    name: str
    sandbox_id: str
    outcome: asyncio.Future[None]


class PoolMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.steps: list[Step] = []
        self.open = False
        self.engine_is_down = False
        self.calls: list[tuple[LeaseKey, tuple[str, ...], asyncio.Task[Lease]]] = []
        self.holders: dict[str, LeaseKey] = {}

    @initialize(policy=st.sampled_from(POLICIES))
    def begin(self, policy: Policy) -> None:
        """Run a pool."""
        self.policy = policy
        self.context = world(policy)
        self.world: World = self.do(self.context.__aenter__())
        self.world.backend.hook = self.hook
        self.do(settle())

    async def hook(self, step: str, name: str) -> None:
        """Hold what changes something; fail questions while the engine is down."""
        if step in HELD and not self.open:
            held = Step(step, name, asyncio.get_running_loop().create_future())
            self.steps.append(held)
            try:
                await held.outcome
            finally:
                self.steps.remove(held)
        elif self.engine_is_down:
            raise BackendUnavailable("no engine")

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something, and all that follows from it without time passing."""

        async def both() -> T:
            result = await work
            await settle()
            return result

        return self.runner.run(both())

    def containers(self) -> list[str]:
        """Name the containers in the order of their making, which does not depend on their random names."""
        return list(self.world.backend.engine.containers)

    @rule(session=st.sampled_from(SESSIONS), types=kinds)
    def connect(self, session: LeaseKey, types: list[str]) -> None:
        """A session asks for sandboxes."""

        async def call() -> None:
            task = asyncio.create_task(self.world.pool.connect(session, types))
            self.calls.append((session, tuple(types), task))

        self.do(call())

    @rule(sessions=st.permutations(SESSIONS), count=st.integers(2, len(SESSIONS)))
    def rush(self, sessions: list[LeaseKey], count: int) -> None:
        """Many sessions ask for the same kind at once."""
        for session in sessions[:count]:
            self.connect(session, ["base"])

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A caller leaves."""
        data.draw(st.sampled_from(self.calls))[2].cancel()
        self.do(settle())

    @rule(session=st.sampled_from(SESSIONS))
    def release(self, session: LeaseKey) -> None:
        """A session ends."""
        self.do(self.world.pool.release(session))

    @precondition(lambda self: self.world.containers)
    @rule(data=st.data())
    def release_sandbox(self, data: st.DataObject) -> None:
        """One sandbox is given up, whatever its state."""
        sandbox_id = data.draw(st.sampled_from(self.containers()))
        self.do(self.world.pool.release_sandbox(sandbox_id))

    @precondition(lambda self: self.steps)
    @rule(data=st.data())
    def let_pass(self, data: st.DataObject) -> None:
        """A step of the backend goes well."""
        data.draw(st.sampled_from(self.steps)).outcome.set_result(None)
        self.do(settle())

    @rule(count=st.integers(2, 8))
    def let_many_pass(self, count: int) -> None:
        """Things go well for a while."""
        for _ in range(count):
            for step in list(self.steps):
                step.outcome.set_result(None)
            self.do(settle())

    @precondition(lambda self: self.steps)
    @rule(data=st.data(), failure=st.sampled_from(FAILURES))
    def fail(self, data: st.DataObject, failure: type[Exception]) -> None:
        """A step of the backend fails."""
        data.draw(st.sampled_from(self.steps)).outcome.set_exception(failure("injected"))
        self.do(settle())

    @precondition(lambda self: self.world.containers)
    @rule(data=st.data(), quietly=st.booleans())
    def die(self, data: st.DataObject, quietly: bool) -> None:
        """A container ends by itself, and the engine tells or does not."""
        sandbox_id = data.draw(st.sampled_from(self.containers()))
        self.do(self.world.backend.die(sandbox_id, quietly=quietly))

    @rule(down=st.booleans())
    def engine(self, down: bool) -> None:
        """The engine stops or starts to answer questions."""
        self.engine_is_down = down

    @rule(seconds=st.sampled_from([0.1, 1.0, 20.0, 61.0, 400.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.do(asyncio.sleep(seconds))

    @invariant()
    def never_two_leases_on_one_sandbox(self) -> None:
        """Not at one time, and not one after the other."""
        if not hasattr(self, "world"):
            return
        for lease in self.do(self.world.pool.leases()):
            self.hold(lease)
        for session, types, task in self.calls:
            if task.done() and not task.cancelled() and task.exception() is None:
                lease = task.result()
                assert (lease.key, tuple(record.sandbox_type for record in lease.sandboxes)) == (session, types)
                self.hold(lease)
        self.calls = [call for call in self.calls if not call[2].done() or self.died_badly(call[2])]

    def hold(self, lease: Lease) -> None:
        """Note who holds a sandbox; nobody else ever may."""
        for record in lease.sandboxes:
            assert (record.state, record.key) == (State.LEASED, lease.key)
            assert self.holders.setdefault(record.sandbox_id, lease.key) == lease.key

    def died_badly(self, task: asyncio.Task[Lease]) -> bool:
        """Callers get errors of the family, or were cancelled."""
        if not task.cancelled() and (error := task.exception()) is not None:
            assert isinstance(error, SandboxError), repr(error)
        return False

    @invariant()
    def never_above_the_limit(self) -> None:
        """Neither in the records nor on the engine."""
        if not hasattr(self, "world") or not self.policy.limits.total:
            return
        records = self.do(self.world.pool.sandboxes())
        assert sum(record.state is not State.STOPPING for record in records) <= self.policy.limits.total
        assert len(self.world.containers) <= self.policy.limits.total

    @invariant()
    def nothing_is_lost(self) -> None:
        """Whatever is on the engine is recorded, and the counts are those of the records."""
        if not hasattr(self, "world"):
            return
        records = self.do(self.world.records())
        assert self.world.containers <= set(records)
        held = [
            (record.key, record.sandbox_type)
            for record in records.values()
            if record.key is not None and record.state is not State.STOPPING
        ]
        assert len(held) == len(set(held)), "a session holds two sandboxes of one kind"
        report = self.do(self.world.pool.report()).types
        for kind, status in report.items():
            of_kind = [record for record in records.values() if record.sandbox_type == kind]
            assert status.ready + status.starting + status.leased + status.stopping == len(of_kind)
            assert status.leased == sum(record.state is State.LEASED for record in of_kind)

    def teardown(self) -> None:
        """All sessions end, and the engine works again: nothing is left but a full pool, and after it nothing."""
        if hasattr(self, "world"):
            self.engine_is_down, self.open = False, True
            for step in list(self.steps):
                step.outcome.set_result(None)
            self.do(self.finish())
        self.runner.close()

    async def finish(self) -> None:
        """Bring everything to its end, and look."""
        await asyncio.sleep(200.0)  # every call has its sandboxes by now, or an error
        assert all(task.done() for _, _, task in self.calls)
        for record in (await self.world.records()).values():  # nothing stays promised to callers who have left
            assert record.key is None or record.state in (State.LEASED, State.STOPPING)
        for session in SESSIONS:
            await self.world.pool.release(session)
        await asyncio.sleep(200.0)
        records = (await self.world.records()).values()
        assert all(record.state is State.WARM and record.key is None for record in records)
        assert self.world.containers == {record.sandbox_id for record in records}
        for kind, target in self.policy.targets.items():
            assert sum(record.sandbox_type == kind for record in records) == target
        assert len(records) == sum(self.policy.targets.values())
        await self.context.__aexit__(None, None, None)
        for _, _, task in self.calls:
            with suppress(SandboxError, asyncio.CancelledError):
                await task


PoolMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_pool_in_any_order: Iterable[Any] = pytest.mark.slow(PoolMachine.TestCase)  # type: ignore[assignment]
