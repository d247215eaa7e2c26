"""Secrets for people's browsers: short-lived, single-use where it matters, never kept in the clear."""

from __future__ import annotations

import pytest
from served_manager import Clock

from agentscope_runtime.sandbox_manager.api import grants
from agentscope_runtime.sandbox_manager.api.grants import OWNER, Grant, Grants


def test_a_ticket_is_used_up() -> None:
    """The second try gets nothing."""
    tickets = Grants(Clock())
    secret = tickets.issue(Grant("sbx-1", control=True), 60)
    assert tickets.use_up(secret) == Grant("sbx-1", control=True)
    assert tickets.use_up(secret) is None


def test_a_session_can_be_looked_at_again() -> None:
    """A cookie is sent with each call."""
    sessions = Grants(Clock())
    secret = sessions.issue(OWNER, 60)
    assert sessions.look(secret) == sessions.look(secret) == OWNER


def test_time_ends_both() -> None:
    """To the second."""
    clock = Clock()
    held = Grants(clock)
    secret = held.issue(OWNER, 60)
    clock.now += 59.9
    assert held.look(secret) == OWNER
    clock.now += 0.1
    assert held.look(secret) is None
    assert held.use_up(secret) is None


@pytest.mark.parametrize("secret", ["", "guess", "ä", "\udcff"])
def test_guesses_open_nothing(secret: str) -> None:
    """Whatever characters they have."""
    held = Grants(Clock())
    held.issue(OWNER, 60)
    assert held.look(secret) is None


def test_secrets_are_not_kept() -> None:
    """Only their hashes are."""
    held = Grants(Clock())
    secret = held.issue(OWNER, 60)
    assert secret not in repr(vars(held))
    assert len(secret) >= 43, "256 bits"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest give way; those that are too old are not kept at all."""
    monkeypatch.setattr(grants, "MOST", 3)
    clock = Clock()
    held = Grants(clock)
    first, *rest = [held.issue(OWNER, 60) for _ in range(4)]
    assert held.look(first) is None
    assert all(held.look(secret) for secret in rest)
    clock.now += 61
    held.issue(OWNER, 60)
    assert len(held._held) == 1
