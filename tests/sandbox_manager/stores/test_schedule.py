"""Things by a time of theirs, under arbitrary changes, against a dictionary that is looked through."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from agentscope_runtime.sandbox_manager.stores.schedule import SPARE, Schedule

things, times = st.sampled_from("abcdef"), st.integers(0, 9).map(float)
steps = st.lists(st.one_of(st.tuples(things, st.none() | times), times), max_size=40)


@given(steps)
def test_what_is_due_is_what_a_look_at_all_would_find(taken: list[tuple[str, float | None] | float]) -> None:
    """After any settings, removals and questions; the earliest come first, and stay until they are set anew."""
    schedule: Schedule[str] = Schedule()
    model: dict[str, float] = {}
    for step in taken:
        if isinstance(step, float):
            due = schedule.due(step)
            assert sorted(due) == sorted(thing for thing, time in model.items() if time <= step)
            assert [model[thing] for thing in due] == sorted(model[thing] for thing in due)
            continue
        thing, time = step
        schedule.set(thing, time)
        if time is None:
            model.pop(thing, None)
        else:
            model[thing] = time


def test_things_that_come_and_go_leave_nothing() -> None:
    """A time far away is no reason to keep what was removed."""
    schedule: Schedule[int] = Schedule()
    for number in range(10_000):
        schedule.set(number, 1e9)
        schedule.set(number, None)
    assert len(schedule._heap) <= SPARE + 1
    assert schedule.due(1e10) == []


def test_a_time_that_moves_on_costs_no_entry() -> None:
    """A lease that is used again and again has one."""
    schedule: Schedule[str] = Schedule()
    for now in range(1000):
        schedule.set("lease", float(now))
    assert len(schedule._heap) == 1
    assert schedule.due(998.0) == []
    assert schedule.due(999.0) == ["lease"]
