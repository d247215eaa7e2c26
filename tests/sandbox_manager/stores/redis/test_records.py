"""Records as they are kept."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace

from hypothesis import given
from hypothesis import strategies as st

from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import Address, LeaseKey, SandboxRecord, State
from agentscope_runtime.sandbox_manager.stores.redis.records import (
    dump,
    dump_key,
    dump_options,
    load,
    load_key,
    load_options,
)

PLAIN = SandboxRecord("sbx-1", "base", State.STARTING, "image", 0.0, "")
FULL = SandboxRecord(
    sandbox_id="sbx-1",
    sandbox_type="browser",
    state=State.LEASED,
    image="image:tag",
    created_at=1763750000.1234567,
    token="secret",
    container_id="c1",
    image_id="sha256:1",
    address=Address("10.0.0.1", 8000, 6080),
    key=LeaseKey("änna", 'a"b'),
    options=LeaseOptions(profile="work", environment={"A": "ü\n"}, mcp_servers={"web": {"args": [], "env": {}}}),
    mcp_servers={"web": {"args": [], "timeout": 0.1, "big": 2**60, "none": None}, "": {}},
    volume="vol-1",
    generation=2**40,
    warm=True,
    leased_at=0.0,
    last_active_at=1763750000.1 + 2e-7,
    manager="mgr-1",
    restored=True,
    paused=True,
    suspended_at=1e-300,
    expires_at=float("inf"),
    memory=2**50,
)


def test_everything_that_a_record_says_is_kept() -> None:
    """To the last digit, and whatever other fields it has one day."""
    assert [each.name for each in fields(FULL) if getattr(FULL, each.name) in (each.default, MISSING)] == []
    assert load(dump(FULL)) == FULL
    assert load(dump(PLAIN)) == PLAIN
    for each in fields(FULL):
        one = replace(PLAIN, **{each.name: getattr(FULL, each.name)})
        assert load(dump(one)) == one


def test_what_says_nothing_takes_no_place() -> None:
    """A thousand warm sandboxes are a thousand of these."""
    assert dump(PLAIN) == {
        "sandbox_id": "sbx-1",
        "sandbox_type": "base",
        "state": "starting",
        "image": "image",
        "created_at": "0.0",
    }


def test_scripts_see_whether_options_need_a_sandbox_of_their_own() -> None:
    """It is all that they have to know of options."""
    assert dump(FULL)["own"] == "1"
    assert "own" not in dump(replace(FULL, options=LeaseOptions(profile="work")))


@given(user=st.text(), session=st.text())
def test_keys_are_told_apart(user: str, session: str) -> None:
    """Whatever the names hold; the text is plain."""
    key = LeaseKey(user, session)
    assert load_key(dump_key(key)) == key
    assert dump_key(key).isascii()


def test_options_are_none_or_text() -> None:
    """So that no options are the same as none."""
    assert dump_options(LeaseOptions()) == ""
    assert load_options("") == LeaseOptions()
    for options in (FULL.options, LeaseOptions(environment={}), LeaseOptions(shared_workspace=False)):
        assert load_options(dump_options(options)) == options


def test_options_are_read_by_what_wrote_them() -> None:
    """However they got there: one record that cannot be read would stop every loop of every manager."""
    options = LeaseOptions(mcp_servers={"a": {"command": "\ud800"}})
    assert load_options(dump_options(options)) == options
