"""Lines in which users take turns."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agentscope_runtime.sandbox_manager.fairness import FairLine, LineFull, Shortage


def test_users_take_turns_and_keep_their_own_order() -> None:
    """Whoever asks ten times is served once as often as whoever asks once, until the others have what they want."""
    line: FairLine[str] = FairLine(100)
    for one in ("a1", "a2", "a3", "b1", "c1", "c2"):
        line.join(one[0], one)
    served = []
    while line:
        one = next(line.in_turn())
        served.append(one)
        line.leave(one[0], one, served=True)
    assert served == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_who_comes_again_stands_behind_those_who_wait() -> None:
    """A user who was served, and has nobody left in the line, comes in at the end of the turns."""
    line: FairLine[str] = FairLine(100)
    line.join("a", "a1")
    line.join("b", "b1")
    line.leave("a", "a1", served=True)
    line.join("a", "a2")
    assert list(line.in_turn()) == ["b1", "a2"]


def test_who_gives_up_changes_nobodys_turn() -> None:
    """Only being served costs a turn."""
    line: FairLine[str] = FairLine(100)
    for one in ("a1", "a2", "b1"):
        line.join(one[0], one)
    line.leave("a", "a1")
    line.leave("a", "never was there")
    assert list(line.in_turn()) == ["a2", "b1"]


def test_one_user_cannot_fill_the_line() -> None:
    """In a full line the last of the user with most places makes room for a user with fewer."""
    line: FairLine[str] = FairLine(3)
    for one in ("a1", "a2", "a3"):
        assert line.join("a", one) is None
    with pytest.raises(LineFull):
        line.join("a", "a4")
    assert line.join("b", "b1") == "a3"
    with pytest.raises(LineFull):
        line.join("b", "b2")  # both would have two and one: nothing is gained
    assert line.join("c", "c1") == "a2"
    assert line.by_user() == {"a": 1, "b": 1, "c": 1}
    with pytest.raises(LineFull):
        line.join("d", "d1")


def test_a_line_without_places_takes_nobody() -> None:
    """A length of 0 switches waiting off."""
    with pytest.raises(LineFull):
        FairLine[str](0).join("a", "a1")


@pytest.mark.parametrize(
    ("short", "concerned"),
    [
        (Shortage("total"), True),
        (Shortage("memory"), True),
        (Shortage("type", "browser"), True),
        (Shortage("type", "gui"), False),
        (Shortage("user", "alice"), True),
        (Shortage("user", "bob"), False),
    ],
)
def test_a_shortage_concerns_who_needs_the_same(short: Shortage, concerned: bool) -> None:
    """A user over quota, or a kind that is short, is in nobody else's way."""
    assert short.concerns("alice", ("base", "browser")) is concerned


class Turns(RuleBasedStateMachine):
    """Anybody comes, gives up and is served, in any order; the model is a list of who came."""

    LENGTH = 6

    def __init__(self) -> None:
        super().__init__()
        self.line: FairLine[tuple[str, int]] = FairLine(self.LENGTH)
        self.waiting: list[tuple[str, int]] = []
        self.number = 0
        self.passed: Counter[tuple[str, int]] = Counter()

    @rule(user=st.sampled_from("abcd"))
    def join(self, user: str) -> None:
        """Somebody comes; in a full line only a user with two places less than another gets in."""
        self.number += 1
        one = (user, self.number)
        before = Counter(each[0] for each in self.waiting)
        try:
            left = self.line.join(user, one)
        except LineFull:
            assert len(self.waiting) == self.LENGTH
            assert all(count <= before[user] + 1 for other, count in before.items() if other != user)
            return
        if left is not None:
            assert len(self.waiting) == self.LENGTH
            assert before[left[0]] == max(before.values()) > before[user] + 1
            assert left == max(each for each in self.waiting if each[0] == left[0])
            self.waiting.remove(left)
            self._forget_absent()
        self.waiting.append(one)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """Somebody leaves without having been served."""
        one = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(one)
        self.line.leave(one[0], one)
        self._forget_absent()

    @precondition(lambda self: self.waiting)
    @rule()
    def serve(self) -> None:
        """Whoever's turn it is gets what there is."""
        one = next(self.line.in_turn())
        assert one == min(each for each in self.waiting if each[0] == one[0]), "not the first of its user"
        users = {each[0] for each in self.waiting}
        self.waiting.remove(one)
        self.line.leave(one[0], one, served=True)
        # Nobody is passed over by one user twice before its own user had a turn.
        self.passed = Counter({pair: count for pair, count in self.passed.items() if pair[0] != one[0]})
        for other in users - {one[0]}:
            self.passed[other, ord(one[0])] += 1
            assert self.passed[other, ord(one[0])] <= 1
        self._forget_absent()

    def _forget_absent(self) -> None:
        """Whoever has left and comes again, has not been passed over yet."""
        present = {each[0] for each in self.waiting}
        self.passed = Counter({pair: count for pair, count in self.passed.items() if pair[0] in present})

    @invariant()
    def everybody_stands_there_once(self) -> None:
        """Nobody is lost, and there are never more than there are places."""
        standing = list(self.line.in_turn())
        assert sorted(standing) == sorted(self.waiting)
        assert len(self.line) == len(standing) <= self.LENGTH
        assert self.line.by_user() == Counter(each[0] for each in self.waiting)


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
