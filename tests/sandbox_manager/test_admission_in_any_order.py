"""Calls come, wait, leave, are served and release in any order: nobody is overtaken, and no room stays unused."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from fake_pool import World, key, world
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from virtual_time import VirtualTimeLoop, settle

from agentscope_runtime.sandbox.errors import PoolExhausted, QuotaExceeded
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import Lease, LeaseKey, Limits

TOTAL, QUOTA, BROWSERS, LENGTH = 3, 2, 1, 5
USERS = st.sampled_from("abcd")


@dataclass
class Call:
    """One that waits, or waited."""

    number: int
    key: LeaseKey
    kind: str
    task: asyncio.Task[Lease]
    until: float
    passed: Counter[str] = field(default_factory=Counter)
    """How often each other user was served while this was the first of its own that could be."""


class Line(RuleBasedStateMachine):
    """A pool with room for three, two for each user, one of them a browser; and a line of five places."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.world = world(Policy(limits=Limits(TOTAL, QUOTA, {"browser": BROWSERS}), queue_length=LENGTH, parallel=1))
        self.w: World = self.runner.run(self.world.__aenter__())
        self.waiting: list[Call] = []
        self.held: dict[LeaseKey, str] = {}
        self.number = 0

    def teardown(self) -> None:
        """End it; whoever waits is told."""
        for call in self.waiting:
            call.task.cancel()
        self.runner.run(self.world.__aexit__(None, None, None))
        self.runner.close()

    @property
    def now(self) -> float:
        """The time."""
        return self.runner.get_loop().time()

    def look(self) -> None:
        """Note who was served and who was refused, and whether that was right."""
        self.runner.run(settle())
        for call in [call for call in self.waiting if call.task.done()]:
            self.waiting.remove(call)
            error = call.task.exception()
            if error is None:
                self.served(call)
            elif "QUEUE_LENGTH allows no more" in str(error):
                assert len(self.waiting) == LENGTH
            elif "lost its place" not in str(error):
                assert isinstance(error, (PoolExhausted, QuotaExceeded))
                assert self.now >= call.until, f"refused before its time: {error}"

    def served(self, call: Call) -> None:
        """Check that it was this call's turn."""
        self.held[call.key] = call.kind
        for other in self.waiting:
            if other.key.user_id == call.key.user_id and other.kind == call.kind:
                assert call.number < other.number, "it overtook one of its own user"
        # What browsers and quotas hold up cannot be told from outside; calls for base of users below quota can.
        firsts: dict[str, Call] = {}
        for other in self.waiting:
            if other.kind == "base" and self.holds(other.key.user_id) < QUOTA:
                firsts.setdefault(other.key.user_id, other)
        for other in firsts.values():
            other.passed[call.key.user_id] += 1
            assert other.passed[call.key.user_id] <= 2, "a user was served again and again while another waited"

    def holds(self, user: str) -> int:
        """Count what a user has."""
        return sum(each.user_id == user for each in self.held)

    @rule(user=USERS, kind=st.sampled_from(["base", "browser"]), wait_s=st.sampled_from([0.0, 7.0, 60.0]))
    def connect(self, user: str, kind: str, wait_s: float) -> None:
        """A new session asks for a sandbox."""
        self.number += 1
        its = key(f"s{self.number}", user)
        before = [call for call in self.waiting if call.kind == kind]

        async def begin() -> asyncio.Task[Lease]:
            return asyncio.ensure_future(self.w.pool.connect(its, [kind], wait_s=wait_s))

        call = Call(self.number, its, kind, self.runner.run(begin()), self.now + wait_s)
        self.waiting.append(call)
        self.look()
        if call.task.done() and call.task.exception() is None:
            overtaken = [other for other in before if self.holds(other.key.user_id) < QUOTA and other in self.waiting]
            assert not overtaken, "it came last, and was served first"

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """A session ends."""
        its = data.draw(st.sampled_from(sorted(self.held, key=str)))
        del self.held[its]
        self.runner.run(self.w.pool.release(its))
        self.look()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """A caller gives up."""
        call = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(call)
        call.task.cancel()
        with suppress(asyncio.CancelledError):
            self.runner.run(asyncio.wait_for(call.task, 1))
        self.look()

    @rule(seconds=st.sampled_from([1.0, 6.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        """Patience ends, for some."""
        for its in self.held:  # they are used, so that none of them ends by itself
            self.runner.run(self.w.pool.connect(its, [self.held[its]]))
        self.runner.run(asyncio.sleep(seconds))
        self.look()

    @invariant()
    def limits_hold_and_no_room_is_left(self) -> None:
        """Never more than there may be; and whoever waits has a reason to."""
        kinds = Counter(self.held.values())
        users = Counter(each.user_id for each in self.held)
        assert kinds.total() <= TOTAL and kinds["browser"] <= BROWSERS and max(users.values(), default=0) <= QUOTA
        for call in self.waiting:
            full = kinds.total() == TOTAL or users[call.key.user_id] == QUOTA
            assert full or (call.kind == "browser" and kinds["browser"] == BROWSERS), f"{call} waits for nothing"
            assert self.now <= call.until, "it waits longer than it said"

    @invariant()
    def the_report_tells_who_waits(self) -> None:
        """Nobody is forgotten in the line."""
        report = self.runner.run(self.w.pool.report())
        assert report.queue.waiting == len(self.waiting) <= LENGTH
        assert sum(status.leased for status in report.types.values()) == len(self.held)


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
