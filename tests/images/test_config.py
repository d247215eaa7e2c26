"""The start-up line: what the manager sends is read, anything else is refused with the member's name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox_server.config import ConfigError, parse

LINE: dict[str, Any] = {
    "token": "t" * 32,
    "generation": 3,
    "sandbox_id": "sbx-1",
    "sandbox_type": "base",
    "watchdog_s": 5,
    "kernel": "lazy",
    "ca_bundle": None,
    "options": {"environment": {"GREETING": "hello"}, "later": 1},
}


def test_the_whole_line() -> None:
    """Every member arrives."""
    assignment = parse(json.dumps(LINE).encode() + b"\n")
    assert assignment.token == "t" * 32 and assignment.generation == 3
    assert assignment.sandbox_id == "sbx-1" and assignment.sandbox_type == "base"
    assert assignment.watchdog_s == 5.0 and assignment.kernel == "lazy"
    assert assignment.ca_bundle is None and assignment.environment == {"GREETING": "hello"}


def test_what_may_be_left_out() -> None:
    """Only the identity must be there; unknown members are those of a newer manager."""
    members = {name: LINE[name] for name in ("token", "generation", "sandbox_id", "sandbox_type")}
    assignment = parse(json.dumps({**members, "new": True}).encode())
    assert assignment.watchdog_s == 60.0 and assignment.kernel == "eager" and assignment.environment == {}


def test_secrets_are_not_shown() -> None:
    """A log of the assignment has neither the token nor the certificates nor the variables."""
    shown = repr(parse(json.dumps({**LINE, "ca_bundle": "PEM"}).encode()))
    assert LINE["token"] not in shown and "PEM" not in shown and "hello" not in shown


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("token", "short"),
        ("token", None),
        ("generation", "1"),
        ("generation", True),
        ("sandbox_id", 5),
        ("watchdog_s", 0),
        ("watchdog_s", "60"),
        ("kernel", "maybe"),
        ("ca_bundle", 1),
        ("parts", ["gui"]),
        ("options", []),
        ("options", {"environment": ["A=1"]}),
        ("options", {"environment": {"A": 1}}),
        ("options", {"environment": {"A": "nul\0"}}),
        ("options", {"environment": {"A B": ""}}),
        ("options", {"environment": {"A=1; id #": ""}}),
        ("options", {"mcp_servers": {"time": {"command": ""}}}),
    ],
)
def test_wrong_members_are_named(member: str, value: object) -> None:
    """The error says which member it is, and never what the token was."""
    with pytest.raises(ConfigError, match=member) as caught:
        parse(json.dumps({**LINE, member: value}).encode())
    assert LINE["token"] not in str(caught.value)


@pytest.mark.parametrize("line", [b"", b"null", b"[]", b"{", b"\xff"])
def test_not_even_an_object(line: bytes) -> None:
    """Anything but a JSON object is refused."""
    with pytest.raises(ConfigError, match="JSON"):
        parse(line)
