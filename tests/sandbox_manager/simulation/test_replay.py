"""What comes of sessions in virtual time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentscope_runtime.sandbox_manager.simulation.replay import Outcome, replay
from agentscope_runtime.sandbox_manager.simulation.stock import Plan
from agentscope_runtime.sandbox_manager.simulation.traces import Arrival, made_up
from agentscope_runtime.sandbox_manager.sizing import Bounds
from agentscope_runtime.sandbox_manager.states import Limits

GIB = 1 << 30
ONE_SECOND = {"base": 1.0, "browser": 2.0}


def at_times(*times: float, hold: float = 100.0, user: str = "") -> list[Arrival]:
    """Make base sessions."""
    return [Arrival(at, hold, "base", user) for at in times]


def tried(sessions: Iterable[Arrival], size: int = 1, limits: Limits | None = None, patience: float = 0.0) -> Outcome:
    """Replay with one kind, starts of a second, one at a time."""
    plan = Plan(Bounds({"base": size}), ONE_SECOND, parallel=1, limits=limits or Limits(), patience=patience)
    return replay(plan, sessions)


def test_a_session_finds_one_ready_or_waits_for_its_start() -> None:
    """The second of two at once waits a second, the third of three two; a second later all is ready again."""
    assert list(tried(at_times(0, 0, 10)).waits) == [0.0, 1.0, 0.0]
    outcome = tried(at_times(0, 0, 0, 0.5))
    assert sorted(outcome.waits) == [0.0, 1.0, 2.0, 2.5]
    assert (outcome.sessions, outcome.hits, outcome.hit_ratio) == (4, 1, 0.25)


def test_what_was_starting_for_the_pool_is_taken() -> None:
    """Half a second into the replacement's start, half a second is left to wait."""
    outcome = tried(at_times(0, 0.5))
    assert list(outcome.waits) == [0.0, 0.5]
    assert outcome.starts == 2


def test_a_session_of_another_kind_is_started_before_the_pool() -> None:
    """Sessions that wait come first."""
    plan = Plan(Bounds({"base": 4}), ONE_SECOND, parallel=1)
    sessions = [*at_times(0, 0, 0), Arrival(0.1, 10, "browser")]
    assert max(replay(plan, sessions).waits) == pytest.approx(0.9 + 2.0)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_hits_are_what_the_textbook_says(size: int) -> None:
    """With starts enough at a time, and sessions by chance, the number outstanding is Poisson's."""
    plan = Plan(Bounds({"base": size}), {"base": 2.0}, parallel=100)
    outcome = replay(plan, made_up(rate=0.5, hold=20, duration=60_000, seed=3))
    expected = sum(math.exp(-1.0) / math.factorial(k) for k in range(size))
    assert outcome.hit_ratio == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("rate", [0.05, 0.7, 3.0])
def test_a_pool_that_is_sized_serves_its_share_without_waste(rate: float) -> None:
    """Within half a percent of what was asked for, with hardly more free ones than the best fixed size has."""
    sessions = list(made_up(rate=rate, hold=30, duration=20_000 / rate, seed=5))
    fixed = next(
        outcome
        for size in range(1, 40)
        if (outcome := replay(Plan(Bounds({"base": size}), ONE_SECOND, parallel=4), sessions)).hit_ratio >= 0.99
    )
    bounds = Bounds({"base": 0}, {"base": 40})
    sized = replay(Plan(bounds, ONE_SECOND, share=0.99, parallel=4), sessions)
    assert sized.hit_ratio >= 0.985
    assert sized.free_seconds / sized.seconds <= 1.5 * fixed.free_seconds / fixed.seconds + 1


def test_a_full_installation_refuses_with_the_limit_that_is_in_the_way() -> None:
    """Total, by kind, by user, by memory: whoever does not wait is refused at once."""
    sessions = [*at_times(0, 1, 2, user="alice"), *at_times(3, user="bob")]
    plan = {"bounds": Bounds({}, needs={"base": GIB}), "starts": ONE_SECOND}
    for limits, refused in [
        (Limits(total=2), {"total": 2}),
        (Limits(types={"base": 3}), {"type": 1}),
        (Limits(per_user=2), {"user": 1}),
        (Limits(memory=3 * GIB), {"memory": 1}),
    ]:
        outcome = replay(Plan(**plan, limits=limits), sessions)  # type: ignore[arg-type]
        assert outcome.refused == refused
        assert len(outcome.waits) + outcome.refused.total() == outcome.sessions == 4


def test_free_sandboxes_give_way_to_sessions() -> None:
    """The pool of one kind does not stand in the way of a session of another."""
    plan = Plan(Bounds({"base": 3}), ONE_SECOND, parallel=1, limits=Limits(total=3))
    outcome = replay(plan, [Arrival(float(at), 100, "browser") for at in (0, 10, 20)])
    assert not outcome.refused
    assert (outcome.most, list(outcome.waits)) == (3, [2.0, 2.0, 2.0])


def test_who_waits_gets_the_room_of_who_goes() -> None:
    """From its end on: its sandbox has to be started still; or its patience ends before."""
    limits = Limits(total=1)
    assert list(tried(at_times(0, 1, hold=10), 1, limits, patience=30).waits) == [0.0, 10.0]
    outcome = tried(at_times(0, 1, hold=10), 1, limits, patience=5)
    assert (list(outcome.waits), outcome.refused) == ([0.0], {"deadline": 1})


def test_users_take_turns_in_the_line() -> None:
    """Whoever asked once, last, is second."""
    crowd = [Arrival(0.1 * n, 10, "base", "alice") for n in range(5)] + [Arrival(0.9, 10, "base", "bob")]
    outcome = tried(crowd, 0, Limits(total=1), patience=1000)
    # alice's first; then bob, who waited for the second place, and the others of alice after him
    assert [round(wait / 11) for wait in outcome.waits] == [0, 1, 2, 3, 4, 5]
    assert outcome.waits[2] == pytest.approx(22 + 1 - 0.9)


def test_nobody_overtakes_but_who_needs_something_else() -> None:
    """A kind that is full holds up only its own."""
    sessions = [
        Arrival(0, 100, "browser", "a"),
        Arrival(1, 100, "browser", "b"),
        Arrival(2, 100, "base", "c"),
        Arrival(3, 100, "browser", "d"),
    ]
    plan = Plan(Bounds({}), ONE_SECOND, limits=Limits(types={"browser": 1}), patience=500)
    outcome = replay(plan, sessions)
    assert list(outcome.waits) == [2.0, 1.0, 103.0, 203.0]


def test_the_line_has_an_end() -> None:
    """Who finds no place is refused at once."""
    plan = Plan(Bounds({}), ONE_SECOND, limits=Limits(total=1), patience=1000, queue=2)
    outcome = replay(plan, at_times(0, 1, 2, 3, 4, hold=10))
    assert (len(outcome.waits), outcome.refused) == (3, {"queue": 2})


def test_memory_is_told_as_mean_and_as_peak() -> None:
    """One leased and one free, then only the free one."""
    plan = Plan(Bounds({"base": 1}, needs={"base": GIB}), {"base": 0.0})
    outcome = replay(plan, [Arrival(0, 10, "base"), Arrival(30, 10, "base")])
    assert outcome.seconds == 40
    assert outcome.most_memory == 2 * GIB
    assert outcome.memory_seconds == GIB * (2 * 10 + 20 + 2 * 10)
    assert outcome.free_seconds == 40


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 5), st.floats(0, 20), st.sampled_from(["base", "browser"]), st.sampled_from(["a", "b", ""])
        ),
        max_size=60,
    ),
    limits=st.builds(
        Limits,
        total=st.integers(0, 5),
        per_user=st.integers(0, 3),
        types=st.just({"browser": 2}),
        memory=st.sampled_from([0, 6]),
    ),
    patience=st.sampled_from([0.0, 3.0, 1000.0]),
    share=st.sampled_from([None, 0.9]),
)
def test_every_session_is_served_once_or_refused(
    steps: list[tuple[float, float, str, str]], limits: Limits, patience: float, share: float | None
) -> None:
    """Whatever comes, nothing is lost, and no limit is exceeded."""
    at, sessions = 0.0, []
    for gap, hold, kind, user in steps:
        at += gap
        sessions.append(Arrival(at, hold, kind, user))
    bounds = Bounds({"base": 1}, {"base": 3, "browser": 2}, {"base": 1, "browser": 2})
    plan = Plan(bounds, ONE_SECOND, share=share, limits=limits, patience=patience, queue=5)
    outcome = replay(plan, sessions)
    assert len(outcome.waits) + outcome.refused.total() == outcome.sessions == len(sessions)
    assert outcome.hits <= len(outcome.waits) <= outcome.starts + 1
    assert not limits.total or outcome.most <= limits.total
    assert not limits.memory or outcome.most_memory <= limits.memory
    assert all(wait >= 0 for wait in outcome.waits)
    if patience == 0.0:
        assert outcome.refused.keys() <= {"total", "memory", "type", "user"}
    assert isinstance(outcome.refused, Counter)
