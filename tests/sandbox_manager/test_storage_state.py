"""What two browsers of one user change meets without loss, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentscope_runtime.sandbox_manager.storage_state import (
    EMPTY,
    Entries,
    NoState,
    entries,
    lasting,
    merged,
    whole,
)

NAMES = st.sampled_from(["a", "b", "c"])
SITES = st.sampled_from(["https://one.example", "https://two.example"])
COOKIES = st.fixed_dictionaries(
    {"name": NAMES, "value": NAMES, "domain": st.sampled_from(["one.example", ".two.example"]), "path": st.just("/")},
    optional={"expires": st.sampled_from([-1, 5, 50.5]), "partitionKey": st.just({"topLevelSite": "https://x"})},
)
ITEMS = st.dictionaries(NAMES, st.text(max_size=3), max_size=3).map(
    lambda items: [{"name": name, "value": value} for name, value in items.items()]
)
DATABASES = st.dictionaries(NAMES, st.integers(1, 3), max_size=2).map(
    lambda found: [{"name": name, "version": version, "stores": []} for name, version in found.items()]
)
STATES = st.fixed_dictionaries(
    {
        "cookies": st.lists(COOKIES, max_size=4),
        "origins": st.dictionaries(SITES, st.tuples(ITEMS, DATABASES), max_size=2).map(
            lambda sites: [
                {"origin": origin, "localStorage": items, "indexedDB": databases}
                for origin, (items, databases) in sites.items()
            ]
        ),
    }
)
ENTRIES = STATES.map(entries)


@given(ENTRIES)
def test_a_state_comes_apart_and_together(found: Entries) -> None:
    """Nothing is lost on the way, and the same entries always make the same state."""
    assert entries(whole(found)) == found
    assert whole(dict(reversed(found.items()))) == whole(found)


@given(ENTRIES, ENTRIES)
def test_what_one_side_changed_counts(base: Entries, changed: Entries) -> None:
    """Whichever side that was; logging out counts as well."""
    assert merged(base, changed, base) == changed
    assert merged(base, base, changed) == changed


@given(ENTRIES, ENTRIES, ENTRIES)
def test_every_entry_is_somebodys(base: Entries, mine: Entries, theirs: Entries) -> None:
    """No value is made up, nothing that neither changed changes, and nothing that is new on one side only is lost."""
    met = merged(base, mine, theirs)
    for key in base.keys() | mine.keys() | theirs.keys():
        before, now, there, after = (side.get(key) for side in (base, mine, theirs, met))
        assert after in (now, there)
        if now == before:
            assert after == there
        elif there == before or now is not None:
            assert after == now
        else:
            assert after == there, "what the other side renewed stays, though mine ended"


@given(ENTRIES, ENTRIES, ENTRIES)
def test_saving_again_changes_nothing(base: Entries, mine: Entries, theirs: Entries) -> None:
    """Once from the old base, as after an error, or from the new one."""
    met = merged(base, mine, theirs)
    assert merged(mine, mine, met) == met
    assert merged(base, mine, met) == met


@given(ENTRIES, ENTRIES, ENTRIES)
def test_logins_at_different_sites_all_stay_in_any_order(base: Entries, one: Entries, two: Entries) -> None:
    """Two sessions that begin alike and log in at different places."""
    mine = {**base, **{key: value for key, value in one.items() if key not in base}}
    other = {**base, **{key: value for key, value in two.items() if key not in base and key not in one}}
    assert merged(base, other, merged(base, mine, base)) == merged(base, mine, merged(base, other, base))
    assert merged(base, other, mine) == {**mine, **other}


@given(ENTRIES)
def test_expired_cookies_go(found: Entries) -> None:
    """Those without an end stay, and so do items."""
    left = lasting(found, 10)
    assert all(value.get("expires") != 5 for key, value in left.items() if key[0] == "cookie")
    assert {key: value for key, value in found.items() if key[0] != "cookie" or value.get("expires") != 5} == left


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"cookies": 7, "origins": []},
        {"cookies": [7], "origins": []},
        {"cookies": [{"name": "a"}], "origins": []},
        {"cookies": [], "origins": [{"origin": "x", "localStorage": [{"name": "a"}]}]},
        [],
    ],
)
def test_what_is_none_is_refused(wrong: Any) -> None:
    """In words."""
    with pytest.raises(NoState):
        entries(wrong)


def test_nothing_is_a_state_too() -> None:
    """Of a user who was nowhere."""
    assert whole(entries(EMPTY)) == EMPTY
