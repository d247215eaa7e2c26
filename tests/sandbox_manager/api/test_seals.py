"""Statements that only the manager's key makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_manager import Clock

from agentscope_runtime.sandbox_manager.api.seals import LONGEST, Seals

STATEMENT = {"path": "ü/x", "number": 1}


def test_what_was_sealed_is_read() -> None:
    """By the same key for the same purpose, also by another manager; and it fits into a URL."""
    sealed = Seals("key").seal("file", STATEMENT, 60)
    assert Seals("key").open("file", sealed) == STATEMENT
    assert sealed.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert Seals("other key").open("file", sealed) is None
    assert Seals("key").open("other purpose", sealed) is None


def test_a_seal_ends() -> None:
    """At its time, by a clock that goes on when the manager ends."""
    clock = Clock()
    seals = Seals("key", clock)
    sealed = seals.seal("file", STATEMENT, 60)
    clock.now += 59
    assert seals.open("file", sealed) == STATEMENT
    clock.now += 1
    assert seals.open("file", sealed) is None


def test_every_changed_character_breaks_it() -> None:
    """Whether in the statement or in what proves it; but for bits that base64 does not use."""
    seals = Seals("key")
    sealed = seals.seal("file", STATEMENT, 60)
    for place in range(len(sealed) - 1):
        other = "A" if sealed[place] != "A" else "B"
        opened = seals.open("file", sealed[:place] + other + sealed[place + 1 :])
        assert opened is None or (opened == STATEMENT and sealed[place + 1] == ".")


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever stands in a URL is no seal, and no error of ours."""
    assert Seals("key").open("file", text) is None


@pytest.mark.parametrize("text", ["", ".", "a.b", "e30.", "=.=", "x" * (LONGEST + 1)])
def test_what_looks_like_one(text: str) -> None:
    """Parts that are missing, too short or too long."""
    assert Seals("key").open("file", text) is None
