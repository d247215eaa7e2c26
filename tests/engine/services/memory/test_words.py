"""The words by which memories are found."""

from __future__ import annotations

import pytest

from agentscope_runtime.engine.services.memory.words import best, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", set()),
        ("… ?!", set()),
        ("Don't PANIC, don't", {"don", "t", "panic"}),
        ("STRASSE straße", {"strasse"}),
        ("python3 a_b 42", {"python3", "a_b", "42"}),
        ("我喜欢Python编程", {"我喜", "喜欢", "python", "编程"}),
        ("我 a", {"我", "a"}),
    ],
)
def test_words_are_told_apart(text: str, words: set[str]) -> None:
    """By spaces and signs, or two characters at a time where there are none."""
    assert words_in(text) == words


def test_the_best_are_given_in_their_order() -> None:
    """Of equal ones later places are better; a score of 0 is none."""
    assert best([1, 0, 3, 1, 2], None) == [0, 2, 3, 4]
    assert best([1, 0, 3, 1, 2], 3) == [2, 3, 4]
    assert best([1, 1, 1], 2) == [1, 2]
    assert best([], 2) == []
