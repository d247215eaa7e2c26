"""Ages by a clock that jumps, in a process that may stand still."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentscope_runtime.sandbox_manager.ages import KEPT, Ages


class Time:
    """A wall clock that may be set, and a steady one that may not."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_000_000.0, 50.0
        self.ages = Ages(lambda: self.wall, lambda: self.steady, tick=1.0)
        self.ages.look()

    def pass_by(self, seconds: float, *, jump: float = 0.0) -> float:
        """Let time pass, set the wall clock, and look."""
        self.wall += seconds + jump
        self.steady += seconds
        return self.ages.look()

    def tick(self, seconds: float) -> None:
        """Let time pass as it should."""
        for _ in range(round(seconds)):
            self.pass_by(1.0)


def test_without_jumps_ages_are_differences() -> None:
    """A tick that is a little late changes nothing."""
    time = Time()
    time.tick(100)
    time.pass_by(1.9)
    assert time.ages.ago(60) == time.wall - 60


def test_a_jump_forward_ages_nothing() -> None:
    """What was used before it and what was used after it are as old as they are, to the second."""
    time = Time()
    used_before = time.wall
    time.tick(10)
    time.pass_by(1.0, jump=86400.0)
    used_after = time.wall
    for elapsed in range(1, 400):
        time.tick(1)
        # Used `elapsed` seconds after the jump; the other one 11 seconds earlier.
        assert (used_after <= time.ages.ago(300)) == (elapsed >= 300)
        assert (used_before <= time.ages.ago(300)) == (elapsed + 11 >= 300)


def test_a_process_that_stood_still_ages_nothing_but_a_tick() -> None:
    """Nobody could use anything in that time: stopped, asleep, or without its store."""
    time = Time()
    used = time.wall
    time.pass_by(600.0)
    assert used > time.ages.ago(300)
    time.tick(297)
    assert used > time.ages.ago(300)
    time.tick(2)
    assert used <= time.ages.ago(300)


def test_a_jump_back_is_told() -> None:
    """By how much; small adjustments are none."""
    time = Time()
    assert time.pass_by(1.0, jump=-3600.0) == 3599.0
    assert time.pass_by(1.0, jump=-0.5) == 0.0
    assert time.pass_by(1.0) == 0.0


def test_what_was_lost_counts_for_the_age_that_is_asked_for() -> None:
    """An hour lost two hours ago is nothing to an age of minutes, and all to an age of a day."""
    time = Time()
    time.pass_by(1.0, jump=3600.0)
    time.tick(600)
    assert time.ages.ago(300) == time.wall - 300
    assert time.ages.ago(86400) == time.wall - 86400 - 3600
    assert time.ages.ago(0, within=86400) == time.wall - 3600


def test_memory_of_losses_is_bounded_and_loses_nothing() -> None:
    """The oldest are added up."""
    time = Time()
    for _ in range(3 * KEPT):
        time.pass_by(1.0, jump=10.0)
    assert len(time.ages._lost) == KEPT
    assert time.ages.ago(1e6) == time.wall - 1e6 - 3 * KEPT * 10.0


@given(st.lists(st.tuples(st.floats(0.1, 5.0), st.sampled_from([0.0, 0.0, 0.0, 30.0, 4000.0])), max_size=60))
def test_nothing_is_ever_older_than_it_is(steps: list[tuple[float, float]]) -> None:
    """Whatever the clock does forward: no lease ends before its time has passed on a clock that does not jump."""
    time = Time()
    moments: list[tuple[float, float]] = []
    for seconds, jump in steps:
        moments.append((time.wall, time.steady))
        time.pass_by(seconds, jump=jump)
        threshold = time.ages.ago(20)
        for wall, steady in moments:
            if wall <= threshold:
                assert time.steady - steady >= 20 - 1e-6
