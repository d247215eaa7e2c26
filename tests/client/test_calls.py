"""What each call is, without sending it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentscope_runtime.sandbox import calls, wire
from agentscope_runtime.sandbox.errors import InvalidRequest


def test_connect_asks_for_plain_types_in_order() -> None:
    """The order is kept, asynchronous names become plain ones."""
    call = calls.connect("s", "u", ["browser_async", "base"])
    assert call.body is not None
    assert json.loads(call.body) == {"session_id": "s", "user_id": "u", "sandbox_types": ["browser", "base"]}
    assert calls.connect("s", "u", "browser").body == calls.connect("s", "u", ["browser"]).body
    assert call.idempotent
    assert call.allowance == calls.START_ALLOWANCE


def test_options_are_sent_where_they_say_something() -> None:
    """What says nothing is left out; a wrong name is the caller's bug, a wrong value an invalid request."""
    body = calls.connect("s", options=calls.lease_options("f()", {"profile": "work", "resolution": None})).body
    assert body is not None
    assert json.loads(body)["options"] == {"profile": "work"}
    assert b"options" not in (calls.connect("s", options=calls.lease_options("f()", {})).body or b"")
    with pytest.raises(TypeError, match=r"f\(\) got an unexpected keyword argument 'profil'; options are: profile"):
        calls.lease_options("f()", {"profil": "work"})
    with pytest.raises(InvalidRequest, match="resolution"):
        calls.lease_options("f()", {"resolution": "big"})


@pytest.mark.parametrize(
    ("session", "types", "message"),
    [
        ("s", ["base", "base_async"], "asked twice for base"),
        ("", ["base"], "session_id"),
        ("s" * 257, ["base"], "session_id"),
        ("s", [], "sandbox_types"),
        ("s", ["Base!"], r"sandbox_types\.0"),
    ],
)
def test_a_wrong_connect_is_refused_here(session: str, types: list[str], message: str) -> None:
    """What the manager would refuse is refused before it is sent, by the name of the argument."""
    with pytest.raises(InvalidRequest, match=message):
        calls.connect(session, "", types)


def test_names_and_paths_are_quoted() -> None:
    """No session, tool or path can lead to another address."""
    assert calls.release("a&user_id=b", "ü/?").path == "/v1/leases?session_id=a%26user_id%3Db&user_id=%C3%BC%2F%3F"
    assert calls.call_tool("../x", "a/b?c", {}, 1).path == "/v1/sandboxes/..%2Fx/tools/a%2Fb%3Fc"
    assert calls.read_file("s", "a b/ü&#?.txt").path == "/v1/sandboxes/s/files/content?path=a%20b/%C3%BC%26%23%3F.txt"
    with pytest.raises(InvalidRequest, match="not Unicode"):
        calls.read_file("s", "\udc80")


def test_what_may_be_sent_again() -> None:
    """Only what is the same when done twice, as tools are by their key: no move, and no stream, which is used up."""
    again: list[calls.Call[Any]] = [
        calls.connect("s"),
        calls.release("s"),
        calls.sandbox("x"),
        calls.list_tools("x"),
        calls.call_tool("x", "t", {}, 1),
        calls.desktop("x", False),
        calls.read_file("x", "p"),
        calls.list_files("x", "p", 1),
        calls.file_exists("x", "p"),
        calls.remove_file("x", "p"),
        calls.write_file("x", "p", "text/plain", b""),
    ]
    once: list[calls.Call[Any]] = [
        calls.move_file("x", "p", "q"),
        calls.make_directory("x", "p"),
        calls.write_file("x", "p", "text/plain"),
    ]
    assert [call.idempotent for call in again] == [True] * len(again)
    assert [call.idempotent for call in once] == [False] * len(once)


def test_a_tool_call_says_its_time_only_where_there_is_one() -> None:
    """None leaves the time to the tool, and what is no time is refused."""
    assert calls.call_tool("x", "t", {}).body == b'{"arguments":{}}'
    assert calls.call_tool("x", "t", {}).timeout is None
    assert calls.call_tool("x", "t", {}, 2.5).body == b'{"arguments":{},"timeout":2.5}'
    assert calls.call_tool("x", "t", {}, 2.5).timeout == 2.5
    for wrong in (0, -1, 3601, float("nan")):
        with pytest.raises(InvalidRequest, match="above 0 up to 3600"):
            calls.call_tool("x", "t", {}, wrong)


def test_file_calls_read_their_answers() -> None:
    """Listings, flags and entries come out of their envelopes."""
    assert calls.list_files("x", ".", 2).path == "/v1/sandboxes/x/files/entries?path=.&depth=2"
    assert calls.list_files("x", ".", 2).read(b'{"entries": []}') == []
    assert calls.file_exists("x", "p").read(b'{"exists": true}') is True
    assert calls.make_directory("x", "p").read(b'{"created": false}') is False
    assert calls.move_file("x", "p", "q").read(b'{"path": "/workspace/q"}')["path"] == "/workspace/q"
    assert calls.remove_file("x", "p").read.__name__ == "nothing"
    with pytest.raises(InvalidRequest, match="depth is 0"):
        calls.list_files("x", ".", 0)
    with pytest.raises(ValueError, match="expected an object"):
        calls.move_file("x", "p", "q").read(b"[]")


def test_an_address_of_a_port_is_checked_before_it_is_asked_for() -> None:
    """By the name of the argument."""
    call = calls.port_link("sbx-1", 8080, path=True, expires_in=None)
    assert (call.method, call.path) == ("POST", "/v1/sandboxes/sbx-1/ports")
    assert json.loads(call.body or b"") == {"port": 8080, "path": True, "expires_in": None}
    for port, seconds, name in ((0, None, "port"), (65536, None, "port"), (80, 0.0, "expires_in"), (80, -1, "expires")):
        with pytest.raises(InvalidRequest, match=name):
            calls.port_link("sbx-1", port, False, seconds)


def test_a_connect_that_waits_for_room_is_given_that_time() -> None:
    """On top of what it has for a start; one that does not says nothing of it, as older managers know nothing of it."""
    waiting, plain = calls.connect("s", wait_s=30), calls.connect("s")
    assert b'"wait_s":30.0' in (waiting.body or b"").replace(b" ", b"")
    assert waiting.allowance == plain.allowance + 30
    assert b"wait_s" not in (plain.body or b"")
    with pytest.raises(InvalidRequest, match="wait_s"):
        calls.connect("s", wait_s=-1)


def test_beginning_with_a_snapshot_has_its_time() -> None:
    """The manager gives itself minutes for it; a client that left before would leave a lease behind."""
    plain = calls.connect("s")
    begun = calls.connect("s", options=calls.lease_options("f()", {"from_snapshot": "v1"}))
    assert begun.allowance == plain.allowance + wire.SNAPSHOT_SECONDS
    taken = calls.take_snapshot("sbx-1", "v1")
    assert taken.timeout == wire.SNAPSHOT_SECONDS and taken.allowance > 0
