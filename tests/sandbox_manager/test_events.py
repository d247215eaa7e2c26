"""The bus, and what the log gets of it."""

from __future__ import annotations

import logging

import pytest

from agentscope_runtime.sandbox_manager.events import (
    Event,
    Events,
    LeaseGranted,
    SandboxRemoved,
    SandboxStartFailed,
    SandboxStopping,
    log_event,
    told,
)
from agentscope_runtime.sandbox_manager.states import LeaseKey

FAILED = SandboxStartFailed("sbx-1", "base", "no luck")


def test_subscribers_hear_in_order_and_only_while_they_want_to() -> None:
    """Those of the constructor always, others while their context is open."""
    always: list[Event] = []
    sometimes: list[Event] = []
    events = Events(always.append)
    with events.subscribed(sometimes.append):
        events.emit(FAILED)
    events.emit(SandboxRemoved("sbx-1", "base"))
    assert sometimes == [FAILED]
    assert always == [FAILED, SandboxRemoved("sbx-1", "base")]


def test_a_subscriber_that_fails_is_logged_and_spoils_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The others still hear, and whoever emits goes on."""
    heard: list[Event] = []

    def broken(_: Event) -> None:
        raise RuntimeError("a bug")

    Events(broken, heard.append).emit(FAILED)
    assert heard == [FAILED]
    assert "a subscriber failed on SandboxStartFailed" in caplog.text


def test_events_are_logged_with_their_fields(caplog: pytest.LogCaptureFixture) -> None:
    """Readable as text, and as fields for a structured handler; by severity."""
    caplog.set_level(logging.INFO)
    log_event(LeaseGranted(LeaseKey("alice", "s1"), ("sbx-1",), (True,), 0.1 + 0.2, ("base",)))
    log_event(FAILED)
    log_event(SandboxRemoved("sbx-1", "base"))  # DEBUG
    granted, failed = caplog.records
    assert granted.levelno == logging.INFO
    assert "session 's1' of user 'alice'" in granted.getMessage()
    assert ("waited=0.300" in granted.getMessage(), granted.__dict__["waited"]) == (True, 0.3)
    assert (failed.levelno, failed.__dict__["reason"]) == (logging.WARNING, "no luck")


def test_events_are_told_as_plain_data() -> None:
    """By a name that is no name of Python's; a key as its two names, and not at all where there is none."""
    assert told(SandboxStopping("sbx-1", "base", LeaseKey("alice", "s1"), "was released")) == {
        "event": "sandbox_stopping",
        "sandbox_id": "sbx-1",
        "sandbox_type": "base",
        "user_id": "alice",
        "session_id": "s1",
        "reason": "was released",
        "died": False,
    }
    assert "key" not in told(SandboxStopping("sbx-1", "base", None, "was released"))
