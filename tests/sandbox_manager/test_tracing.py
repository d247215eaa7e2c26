"""What spans are made of what happens."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from spans import Spans

from agentscope_runtime.sandbox_manager.events import (
    LeaseGranted,
    LeaseResumed,
    SandboxReady,
    SandboxRemoved,
    SandboxStarted,
    SandboxStartFailed,
)
from agentscope_runtime.sandbox_manager.states import LeaseKey

KEY = LeaseKey("alice", "s1")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def seconds(span: ReadableSpan) -> float:
    """Return how long it took."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_connect_belongs_to_its_call_and_that_to_the_callers_trace() -> None:
    """It covers the seconds that the event tells."""
    spans = Spans()
    with spans.tracing.call("POST", {"traceparent": f"00-{TRACE}-{PARENT}-01"}):
        spans.tracing.note(LeaseGranted(KEY, ("sbx-1",), (True,), 0.25, ("base",)))
        spans.tracing.note(LeaseResumed(KEY, ("sbx-2",), 0.5))
    found = spans.by_name()
    call, connect = found["POST"], found["connect"]
    assert call.context is not None
    assert (f"{call.context.trace_id:032x}", call.parent and f"{call.parent.span_id:016x}") == (TRACE, PARENT)
    assert connect.parent is not None
    assert connect.parent.span_id == call.context.span_id
    assert seconds(connect) == pytest.approx(0.25)
    assert connect.attributes is not None
    assert (connect.attributes["user.id"], connect.attributes["sandbox.ids"]) == ("alice", ("sbx-1",))
    assert seconds(found["resume"]) == pytest.approx(0.5)


def test_a_start_is_a_trace_of_its_own_with_its_phases() -> None:
    """Whatever call was going on when it ended."""
    spans = Spans()
    with spans.tracing.call("GET", {}):
        spans.tracing.note(SandboxStarted("sbx-1", "base", 0.3))
        spans.tracing.note(SandboxReady("sbx-1", "base", 0.9))
    found = spans.by_name()
    start, container, ready = found["start"], found["container"], found["ready"]
    assert start.parent is None
    assert start.context is not None
    for phase in (container, ready):
        assert phase.parent is not None
        assert phase.parent.span_id == start.context.span_id
    assert seconds(start) == pytest.approx(0.9)
    assert seconds(container) == pytest.approx(0.3)
    assert container.end_time == ready.start_time


def test_a_failed_start_says_why() -> None:
    """Also one whose container never ran."""
    spans = Spans()
    spans.tracing.note(SandboxStartFailed("sbx-1", "base", "no luck"))
    start = spans.by_name()["start"]
    assert (start.status.status_code, start.status.description) == (StatusCode.ERROR, "no luck")
    assert "container" not in spans.by_name()


def test_starts_that_are_given_up_are_forgotten() -> None:
    """Nothing is kept of them."""
    spans = Spans()
    spans.tracing.note(SandboxStarted("sbx-1", "base", 0.3))
    spans.tracing.note(SandboxRemoved("sbx-1", "base"))
    assert not spans.tracing._ran_at
