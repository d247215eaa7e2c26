"""Thoughts told apart from answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentscope_runtime.adapters.autogen.thinking import Thinking


def split(pieces: list[str]) -> tuple[str, str]:
    """Return the thought and the answer."""
    thinking = Thinking()
    told = [said for piece in pieces for said in thinking.take(piece)] + thinking.end()
    assert all(text for _, text in told), "nothing empty is told"
    return "".join(text for thought, text in told if thought), "".join(text for thought, text in told if not thought)


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("Hello", "", "Hello"),
        ("<think>Well</think>Hello", "Well", "Hello"),
        ("\n<think>\nWell\n</think>\n\nHello\n", "\nWell\n", "Hello\n"),
        ("<think></think>Hello", "", "Hello"),
        ("<think>Well", "Well", ""),
        ("<think>a </thin b", "a </thin b", ""),
        ("<think>a </thin", "a </thin", ""),
        ("<thin", "", "<thin"),
        ("<thinking>", "", "<thinking>"),
        ("a <think>b</think>", "", "a <think>b</think>"),
        ("<think>a</think>b <think>c</think>", "a", "b <think>c</think>"),
        ("  ", "", "  "),
        ("<think>a</think>\n", "a", ""),
        ("", "", ""),
    ],
)
def test_only_what_a_text_begins_with_is_a_thought(text: str, thought: str, answer: str) -> None:
    """Whole, and letter by letter."""
    assert split([text]) == (thought, answer)
    assert split(list(text)) == (thought, answer)


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "</", "a", "\n", " "]), max_size=8), st.data())
def test_it_does_not_matter_how_a_text_is_cut(parts: list[str], data: st.DataObject) -> None:
    """The network cuts where it likes."""
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(pieces) == split([text])
