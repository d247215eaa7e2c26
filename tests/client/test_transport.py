"""How an answer becomes an error, and what a request carries, without sending one."""

from __future__ import annotations

import json

import pytest

from agentscope_runtime.sandbox import calls, transport
from agentscope_runtime.sandbox.errors import (
    FileNotFound,
    Forbidden,
    NotAuthorized,
    PoolExhausted,
    SandboxError,
    Unavailable,
)
from agentscope_runtime.sandbox.settings import Origin

ORIGIN = Origin("http://127.0.0.1:8000", "secret", "the variable BEARER_TOKEN", loopback=True)
CALL = calls.sandbox("sbx-1")


def refusal(error: SandboxError, **head: str) -> SandboxError:
    """Make what the client raises when the manager answers with this."""
    body = json.dumps(error.to_problem()).encode()
    return transport.refusal(ORIGIN, CALL, error.status, {name.replace("_", "-"): head[name] for name in head}, body)


def test_a_refused_key_is_told_with_its_origin() -> None:
    """Only where the key is what is wrong does it help to know where it came from; its value is never shown."""
    error = refusal(NotAuthorized("the key is wrong", hint="x"))
    assert type(error) is NotAuthorized
    assert error.detail == "the key is wrong (tried the variable BEARER_TOKEN, at http://127.0.0.1:8000)"
    assert error.extras == {"hint": "x"}


@pytest.mark.parametrize(
    "sent",
    [
        Forbidden("the Host header names 'evil.example'", host="evil.example"),
        PoolExhausted("all 3 are taken", retry_after=7),
        FileNotFound("there is no a.txt", path="a.txt"),
    ],
)
def test_any_other_refusal_is_the_managers_own(sent: SandboxError) -> None:
    """Class, words and extras arrive as they were sent."""
    error = refusal(sent)
    assert (type(error), error.detail, error.extras) == (type(sent), sent.detail, sent.extras)


def test_a_wait_may_be_said_in_a_header() -> None:
    """Retry-After counts where the document itself says nothing, and only where it is a number."""
    assert refusal(Unavailable("busy"), retry_after="4").extras == {"retry_after": 4}
    assert refusal(Unavailable("busy", retry_after=1), retry_after="4").extras == {"retry_after": 1}
    assert refusal(Unavailable("busy"), retry_after="Wed, 21 Oct 2026 07:28:00 GMT").extras == {}


@pytest.mark.parametrize("body", [b"<h1>Bad\n  gateway</h1>", b'"a string"', b"[1]", b"\xff"])
def test_what_is_no_problem_document_is_shown(body: bytes) -> None:
    """The answer of a proxy, or of another server, is an error by its status that shows how it begins."""
    error = transport.refusal(ORIGIN, CALL, 503, {}, body)
    assert type(error) is Unavailable
    assert error.detail.startswith("could not look up sbx-1: http://127.0.0.1:8000 answered HTTP 503 ")


def test_a_request_waits_for_its_time_and_the_margin() -> None:
    """Reading may take the call's seconds and what box and manager need to say that they are over; connecting less."""
    request = transport.build(ORIGIN, calls.call_tool("sbx-1", "t", {}), 60.0)
    assert request.extensions["timeout"] == {"connect": 5.0, "read": 62.0, "write": 62.0, "pool": 62.0}
    assert (request.method, str(request.url)) == ("POST", "http://127.0.0.1:8000/v1/sandboxes/sbx-1/tools/t")
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.content == b'{"arguments":{}}'
