"""Every store under arbitrary orders of its verbs, step by step against what a look through all records would say."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import rule, run_state_machine_as_test
from redis_server import RedisServer
from store_machine import KEYS, MEMORY, PoolMachine, kinds
from store_model import by_kind, expect, expired, free, held, idle, leases, within
from stores import DEATH, ENDING, ME, OTHER, STORES, draft

from agentscope_runtime.sandbox.errors import InvalidRequest, PoolExhausted, QuotaExceeded, SandboxError
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import NO_OPTIONS, Lease, LeaseKey, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores import Claim, GivenBack

OPTIONS = (
    LeaseOptions(profile="work"),
    LeaseOptions(shared_workspace=True),
    LeaseOptions(mcp_servers={"x": {"command": "a"}}),
)
keys = st.sampled_from(KEYS)
wanted = st.one_of(st.just(["base"]), st.lists(st.sampled_from(["base", "browser"]), min_size=1, unique=True))
LATE = float("inf")
ages = st.sampled_from([0.0, 1.0, 10.0, 50.0])


class StoreMachine(PoolMachine):
    """Does what managers do, in no order that one of them would."""

    # --- leases

    @rule(key=keys, types=wanted, ready_only=st.booleans(), life=st.sampled_from([0.0, 20.0]), data=st.data())
    def claim(self, key: LeaseKey, types: list[str], ready_only: bool, life: float, data: st.DataObject) -> None:
        """A session asks for sandboxes."""
        options = data.draw(st.one_of(st.just(NO_OPTIONS), st.sampled_from(OPTIONS)))
        volume = draft().sandbox_id.replace("sbx", "vol") if options.shared_workspace else ""
        drafts = {} if ready_only else {kind: replace(draft(kind), memory=MEMORY, volume=volume) for kind in types}
        wish = Wish(key, tuple(types), options, life, grows=data.draw(st.integers(0, 3)) > 0)
        try:
            should = expect(self.records, wish, self.limits, MEMORY)
        except InvalidRequest:
            self.refused(wish, drafts, InvalidRequest)
            return
        if (should.grows and not wish.grows) or (ready_only and not should.ready):
            assert self.do(self.store.claim(wish, drafts, limits=self.limits, now=self.now)) == Claim()
            assert self.records == self.before
        elif should.over_quota:
            self.refused(wish, drafts, QuotaExceeded)
        elif should.full:
            self.refused(wish, drafts, PoolExhausted)
        else:
            claimed = self.do(self.store.claim(wish, drafts, limits=self.limits, now=self.now))
            self.check_claim(wish, claimed, should.ready, should.begun)

    @rule(sessions=st.permutations(KEYS), count=st.integers(2, 4), data=st.data())
    def rush(self, sessions: list[LeaseKey], count: int, data: st.DataObject) -> None:
        """Many sessions ask for the same kind at once."""
        for key in sessions[:count]:
            self.claim(key, ["base"], False, 0.0, data)

    def refused(self, wish: Wish, drafts: dict[str, SandboxRecord], error: type[SandboxError]) -> None:
        """A claim is refused, and nothing changes."""
        with pytest.raises(error):
            self.do(self.store.claim(wish, drafts, limits=self.limits, now=self.now))
        assert self.records == self.before

    def check_claim(self, wish: Wish, claimed: Claim, ready: bool, begun: tuple[str, ...]) -> None:
        """All or none, and what had to start, in place of free ones only."""
        mine = held(self.records, wish.key)
        assert {one.sandbox_type for one in claimed.begun} == set(begun)
        for one in claimed.displaced:
            assert one.sandbox_id in {was.sandbox_id for was in free(self.before)}
            assert self.records[one.sandbox_id].state is State.STOPPING
        if begun:
            assert within(self.records, self.limits, begun)
        assert (claimed.lease is not None) is ready
        if claimed.lease is None:
            waits = [mine[kind] for kind in wish.types if not mine[kind].answers]
            assert list(claimed.awaited) == waits
            return
        assert [one.sandbox_type for one in claimed.lease.sandboxes] == list(wish.types)
        for one in claimed.lease.sandboxes:
            assert replace(one, paused=False) == self.records[one.sandbox_id]
            assert (one.state, one.key, one.last_active_at) == (State.LEASED, wish.key, self.now)
            was = self.before[one.sandbox_id]
            assert (one in claimed.granted) is (was.state is not State.LEASED)
            assert one.generation == was.generation + (one in claimed.granted)
            assert one.paused is was.paused
            assert was.key in (None, wish.key)

        lease = leases(self.before).get(wish.key)
        ends = None if lease is None else min(one.expires_at or LATE for one in lease.values())
        expected = (self.now + wish.life if wish.life else LATE) if ends is None else ends
        assert {one.expires_at or LATE for one in claimed.granted} <= {expected}

    @rule(key=keys, types=wanted)
    def leave(self, key: LeaseKey, types: list[str]) -> None:
        """A caller does not wait any longer."""
        had = {one.sandbox_type: one for one in self.do(self.store.held(key))}
        assert had == held(self.records, key)
        queues = {kind: list(queue) for kind, queue in self.queues.items()}
        given = self.do(self.store.give_back(key, types))
        self.check_given(given, key, types, queues, {})

    @rule(key=keys)
    def release(self, key: LeaseKey) -> None:
        """A session ends."""
        lease = leases(self.records).get(key, {})
        queues = {kind: list(queue) for kind, queue in self.queues.items()}
        given = self.do(self.store.end_lease(key, ENDING))
        self.check_given(given, key, ["base", "browser"], queues, lease)
        assert not held(self.records, key)

    def check_given(
        self,
        given: GivenBack,
        key: LeaseKey,
        types: list[str],
        queues: dict[str, list[LeaseKey]],
        lease: dict[str, SandboxRecord],
    ) -> None:
        """Promises of these kinds are undone; who waits first is served by what was ready."""
        promised = {kind: one for kind, one in held(self.before, key).items() if kind in types and not one.in_lease}
        of_no_use = {one.sandbox_id for one in promised.values() if one.options.needs_own}
        assert {one.sandbox_id for one in given.ended} == of_no_use | {one.sandbox_id for one in lease.values()}
        assert {self.records[one.sandbox_id].state for one in given.ended} <= {State.STOPPING}
        ready = [kind for kind, one in promised.items() if one.state is State.WARM and not one.options.needs_own]
        assert set(given.served) == {queues[kind][0] for kind in ready if queues.get(kind)}
        assert not set(promised) & {kind for kind, one in held(self.records, key).items() if not one.in_lease}

    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        """Somebody uses a sandbox, or would like to."""
        sandbox_id = self.pick(data, *State)
        try:
            record = self.do(self.store.touch(sandbox_id, now=self.now))
        except SandboxError:
            assert self.records == self.before
            assert sandbox_id not in self.before or not self.before[sandbox_id].in_lease
            return
        was = self.before[sandbox_id]
        assert record == (replace(was, last_active_at=self.now) if was.state is State.LEASED else was)
        assert replace(record, paused=record.paused and record.state is not State.LEASED) == self.records[sandbox_id]

    @rule(key=keys, at=st.sampled_from([None, 10.0, 100.0]))
    def renew(self, key: LeaseKey, at: float | None) -> None:
        """A lease is to last longer, or shorter."""
        expires_at = None if at is None else self.now + at
        lease = self.do(self.store.renew(key, expires_at=expires_at))
        had = leases(self.before).get(key, {})
        assert (lease is not None) is bool(had)
        assert {one.expires_at for one in leases(self.records).get(key, {}).values()} <= {expires_at}

    # --- time

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(age=ages)
    def end_idle(self, age: float) -> None:
        """What was not used ends."""
        told = self.do(self.store.end_idle(idle_since=self.now - age, ending=ENDING))
        self.ended(told, idle(self.before, self.now - age))

    @rule(age=ages, kept=ages)
    def end_expired(self, age: float, kept: float) -> None:
        """What lived, or slept, for too long ends."""
        verb = self.store.end_expired(now=self.now, suspended_before=self.now - kept, ending=ENDING)
        self.ended(self.do(verb), expired(self.before, self.now, self.now - kept))

    def ended(self, told: tuple[Lease, ...], expected: set[LeaseKey]) -> None:
        """These leases ended, and no other, and are told as they were."""
        assert by_kind(told) == {key: lease for key, lease in leases(self.before).items() if key in expected}
        assert set(leases(self.before)) - set(leases(self.records)) == expected

    @rule(age=ages)
    def suspend_idle(self, age: float) -> None:
        """What was not used goes to sleep."""
        told = self.do(self.store.suspend_idle(idle_since=self.now - age))
        had = {key: lease for key, lease in leases(self.before).items() if key in idle(self.before, self.now - age)}
        answer = {key: {kind: one for kind, one in lease.items() if one.answers} for key, lease in had.items()}
        assert by_kind(told) == {key: lease for key, lease in answer.items() if lease}
        for one in (one for lease in answer.values() for one in lease.values()):
            assert self.records[one.sandbox_id] == replace(one, state=State.SUSPENDING, manager=ME)

    @rule(age=ages)
    def pause_idle(self, age: float) -> None:
        """What was not used is frozen."""
        told = self.do(self.store.pause_idle(idle_since=self.now - age))
        assert {one.sandbox_id for one in told} == {
            one.sandbox_id
            for one in self.before.values()
            if one.state is State.LEASED and not one.paused and (one.last_active_at or 0.0) <= self.now - age
        }
        assert all(one == self.records[one.sandbox_id] and one.paused for one in told)

    @rule(data=st.data())
    def suspended(self, data: st.DataObject) -> None:
        """The container of a sandbox is gone, or never came up again."""
        sandbox_id = self.pick(data, State.SUSPENDING, State.STARTING)
        record = self.do(self.store.mark_suspended(sandbox_id, now=self.now))
        was = self.before.get(sandbox_id)
        done = was is not None and was.in_lease
        assert (record is not None) is done
        if record is not None:
            assert record == self.records[sandbox_id]
            assert (record.state, record.suspended_at, record.address) == (State.SUSPENDED, self.now, None)

    @rule()
    def nap(self) -> None:
        """Every lease goes to sleep, and does."""
        self.do(self.store.suspend_idle(idle_since=self.now))
        for sandbox_id in [one.sandbox_id for one in self.records.values() if one.state is State.SUSPENDING]:
            self.do(self.store.mark_suspended(sandbox_id, now=self.now))

    # --- endings, and other managers

    @rule(data=st.data(), ending=st.sampled_from([ENDING, DEATH]))
    def stop(self, data: st.DataObject, ending: Any) -> None:
        """A sandbox is taken out of use, whatever its state."""
        sandbox_id = self.pick(data, *State)
        last = self.do(self.store.mark_stopping(sandbox_id, ending))
        was = self.before.get(sandbox_id)
        assert last == (None if was is None or was.state is State.STOPPING else was)

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        """A container is gone for good; how it ended is known all the same."""
        sandbox_id = self.pick(data, State.STOPPING)
        forgotten = (sandbox_id,) if sandbox_id in self.records else ()
        last = self.do(self.store.forget(sandbox_id), forgotten=forgotten)
        volume = self.before[sandbox_id].volume if forgotten else ""
        assert last is (bool(volume) and all(one.volume != volume for one in self.records.values()))
        self.gone.extend(forgotten)
        with pytest.raises(SandboxError):
            self.runner.run(self.store.get(sandbox_id))

    @rule(key=keys, kind=kinds, state=st.sampled_from(State), known=st.booleans(), data=st.data())
    def adopt(self, key: LeaseKey, kind: str, state: State, known: bool, data: st.DataObject) -> None:
        """Something was found on the engine."""
        found, was = draft(kind), None
        if known and (ids := [*self.records, *self.gone]):
            found = replace(found, sandbox_id=data.draw(st.sampled_from(ids)))
            was = self.records.get(found.sandbox_id)
        found = replace(was or found, state=state, key=None if state is State.WARM else key, generation=9)
        found = replace(found, memory=MEMORY, last_active_at=self.now, suspended_at=self.now)
        behind = was is not None and was.is_behind(found)
        fits = found.is_adoptable and found.sandbox_id not in self.gone and (was is None or behind)
        fits = fits and (state is State.WARM or found.sandbox_type not in held(self.records, key))
        assert self.do(self.store.adopt(found), set_back=(found.sandbox_id,) if behind else ()) is fits
        assert self.records == (self.before | {found.sandbox_id: found} if fits else self.before)

    @rule(dead=st.sampled_from([ME, OTHER]))
    def take_over(self, dead: str) -> None:
        """A manager died."""
        told = self.do(self.store.take_over(dead))
        unfinished = (State.STARTING, State.SUSPENDING, State.STOPPING)
        assert {one.sandbox_id for one in told} == {
            one.sandbox_id for one in self.before.values() if one.manager == dead and one.state in unfinished
        }
        assert all(one == self.records[one.sandbox_id] and one.manager == ME for one in told)

    @rule(data=st.data(), removed=st.sampled_from([None, "x"]))
    def change_mcp_servers(self, data: st.DataObject, removed: str | None) -> None:
        """A session adds an MCP server, or removes one."""
        sandbox_id = self.pick(data, *State)
        with suppress(SandboxError):
            self.do(self.store.change_mcp_servers(sandbox_id, {"y": {"command": "b"}}, removed=removed))
        changed = [one.sandbox_id for one in self.records.values() if one != self.before[one.sandbox_id]]
        assert changed in ([], [sandbox_id])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*STORES, "both"])
def test_a_store_in_any_order(name: str, request: pytest.FixtureRequest) -> None:
    """See the module; `both` is memory and Redis side by side, which have to answer alike."""

    def redis() -> str:
        server: RedisServer = request.getfixturevalue("redis_server")
        return server.url

    run_state_machine_as_test(
        cast("type[StoreMachine]", lambda: StoreMachine(name, redis)),  # it only calls it
        settings=settings(
            max_examples=100 if name == "memory" else 50,  # to look at a store in Redis takes milliseconds
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
