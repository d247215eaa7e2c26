"""The names under which things are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentscope_runtime.engine.errors import NotStorable
from agentscope_runtime.engine.services.keys import plain, quoted
from agentscope_runtime.engine.services.redis_link import key_of

NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
PAIRS = st.tuples(NAMES, NAMES)


@given(PAIRS, PAIRS)
def test_different_pairs_have_different_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Whatever the parts hold."""
    keys = {key_of("p", "state", user, ("session_id", session)) for user, session in (one, other)}
    assert len(keys) == len({one, other})


@given(NAMES)
def test_a_name_comes_back(name: str) -> None:
    """Quoting loses nothing, and leaves nothing to which Redis gives a meaning."""
    assert plain(quoted(name, "user_id")) == name
    assert not set(quoted(name, "user_id")) & set(":{}*?[]\\ \n\x00")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x" * 1025, "user_id is 1025 characters long; at most 1024 are kept"),
        ("\ud800", "user_id .* is not Unicode text"),
        (None, "user_id is None; it must be a string"),
    ],
)
def test_what_is_no_name_is_refused(name: str, why: str) -> None:
    """The message says which, and why."""
    with pytest.raises(NotStorable, match=why):
        quoted(name, "user_id")
