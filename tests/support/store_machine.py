"""A store under arbitrary orders of its verbs, looked at after each: pool members, and what all steps have in common.

`tests/contracts/test_stores_in_any_order.py` has the rest of the verbs, and runs it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

import hypothesis.strategies as st
from both_stores import Both
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from store_model import by_kind, census, check_moves, free, held, leases, within
from stores import ENDING, ME, OTHER, STORES, draft

from agentscope_runtime.sandbox_manager.states import Address, LeaseKey, Limits, SandboxRecord, State
from agentscope_runtime.sandbox_manager.stores import Store

T = TypeVar("T")
MEMORY = 10
ADDRESS = Address("172.20.0.2", 7000)
KEYS = tuple(LeaseKey(user, session) for session in ("s1", "s2", "s3") for user in ("alice", "bob"))
LIMITS = (
    Limits(),
    Limits(total=3),
    Limits(total=5, per_user=2),
    Limits(types={"base": 2}, total=4),
    Limits(memory=4 * MEMORY),
    Limits(total=6, per_user=3, types={"base": 3, "browser": 1}, memory=5 * MEMORY),
)
kinds = st.sampled_from(["base", "browser"])


@asynccontextmanager
async def both(redis: Callable[[], str]) -> AsyncIterator[Store]:
    """Open an empty store in memory and one in Redis, which have to answer alike."""
    async with STORES["memory"](redis) as first, STORES["redis"](redis) as second:
        yield cast("Store", Both(first, second))


class PoolMachine(RuleBasedStateMachine):
    """Does what managers do, in no order that one of them would."""

    def __init__(self, name: str, redis: Callable[[], str]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.context = both(redis) if name == "both" else STORES[name](redis)
        self.store: Store = self.runner.run(self.context.__aenter__())
        self.records: dict[str, SandboxRecord] = {}
        self.queues: defaultdict[str, list[LeaseKey]] = defaultdict(list)  # who waits, by kind, the first first
        self.gone: list[str] = []  # forgotten
        self.now = 100.0

    def teardown(self) -> None:
        """Close the store."""
        self.runner.run(self.context.__aexit__(None, None, None))
        self.runner.close()

    @initialize(limits=st.sampled_from(LIMITS))
    def begin(self, limits: Limits) -> None:
        """Keep to these limits for a while."""
        self.limits = limits

    def do(self, verb: Coroutine[Any, Any, T], *, forgotten: tuple[str, ...] = (), set_back: tuple[str, ...] = ()) -> T:
        """Do one step, and look at everything after it, whether it was refused or not."""
        try:
            return self.runner.run(verb)
        finally:
            self.before = self.records
            self.records = {one.sandbox_id: one for one in self.runner.run(self.store.sandboxes())}
            check_moves(self.before, self.records, forgotten, set_back)
            assert self.runner.run(self.store.census()) == census(self.records)
            assert by_kind(self.runner.run(self.store.leases())) == leases(self.records)
            for kind, queue in self.queues.items():
                queue[:] = [key for key in queue if self.waits(key, kind)]
            for key in KEYS:
                for kind in held(self.records, key):
                    if self.waits(key, kind) and key not in self.queues[kind]:
                        self.queues[kind].append(key)

    def waits(self, key: LeaseKey, kind: str) -> bool:
        """Return whether a key is promised one of a kind that starts, and would take another."""
        one = held(self.records, key).get(kind)
        return one is not None and one.state is State.STARTING and not one.tied

    def pick(self, data: st.DataObject, *states: State) -> str:
        """Draw one that is in such a state, or an unknown one."""
        return data.draw(
            st.sampled_from([one.sandbox_id for one in self.records.values() if one.state in states] or ["sbx-none"])
        )

    # --- pool members

    @rule(kind=kinds, manager=st.sampled_from([ME, OTHER]))
    def start(self, kind: str, manager: str) -> None:
        """A pool member is going to be started, if there is room."""
        made = replace(draft(kind), manager=manager, memory=MEMORY)
        would_be = within(self.records | {made.sandbox_id: made}, self.limits, [kind])
        assert self.do(self.store.record_start(made, limits=self.limits)) is would_be
        assert (made.sandbox_id in self.records) is would_be

    @rule(data=st.data())
    def container(self, data: st.DataObject) -> None:
        """A start has made a container."""
        sandbox_id = self.pick(data, State.STARTING, State.STOPPING)
        verb = self.store.record_container(sandbox_id, container_id="c", image_id="i", address=ADDRESS)
        record = self.do(verb)
        assert record == (self.records.get(sandbox_id) if self.is_starting(sandbox_id) else None)

    def is_starting(self, sandbox_id: str) -> bool:
        """Return whether it was before the last step."""
        return sandbox_id in self.before and self.before[sandbox_id].state is State.STARTING

    @rule(data=st.data())
    def ready(self, data: st.DataObject) -> None:
        """A sandbox answers: whoever waits longest has it, if it can be had."""
        sandbox_id = self.pick(data, State.STARTING, State.STARTING, State.STOPPING)
        queue = list(self.queues[self.records[sandbox_id].sandbox_type]) if sandbox_id in self.records else []
        record = self.do(self.store.mark_ready(sandbox_id))
        if not self.is_starting(sandbox_id):
            assert record is None
            return
        assert record == self.records[sandbox_id]
        was = self.before[sandbox_id]
        assert record is not None
        assert record.key == (was.key if was.tied or not queue else queue[0])

    @rule(kind=kinds, keep=st.integers(0, 2))
    def trim(self, kind: str, keep: int) -> None:
        """The pool has more than it needs."""
        had = free(self.records, kind)
        trimmed = self.do(self.store.trim(kind, keep=keep, ending=ENDING))
        assert len(trimmed) == max(0, len(had) - keep)
        left = free(self.records, kind)
        assert len(left) == min(len(had), keep)
        assert not any(one.state is State.STARTING for one in left) or not any(
            self.before[one.sandbox_id].state is State.WARM for one in trimmed
        )
