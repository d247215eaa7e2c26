"""Spans for OpenTelemetry: calls, connects, and the phases of starts; only where an endpoint for them is set.

Only the command sets this up: a program that embeds a manager has a tracer of its own, or none. Spans of what events
tell are made when it is over, from the seconds that the event says it took.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agentscope_runtime.sandbox_manager.events import (
    Event,
    LeaseGranted,
    LeaseResumed,
    SandboxReady,
    SandboxRemoved,
    SandboxStarted,
    SandboxStartFailed,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span

SERVICE = "runtime-sandbox-server"
"""What the spans are said to come from, unless `OTEL_SERVICE_NAME` says something else."""
STARTING = 1024
"""Starts of which is remembered when their container ran; more do not run at a time."""
SECOND = 1_000_000_000


def exporting() -> Tracing:
    """Return what sends spans to where the variables `OTEL_…` say, in the background."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource({"service.name": SERVICE}).merge(Resource.create()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


class Tracing:
    """Makes spans."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("agentscope_runtime.sandbox_manager")
        self._from_headers = TraceContextTextMapPropagator()
        self._ran_at: dict[str, tuple[int, int]] = {}  # from the order of a container until it ran

    @contextmanager
    def call(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Cover a call by a span of the trace that its headers name; spans of what happens meanwhile are below it."""
        above = self._from_headers.extract(headers, context=Context())
        with self._tracer.start_as_current_span(method, above, SpanKind.SERVER) as span:
            yield span

    def note(self, event: Event) -> None:
        """Subscribe to what happens."""
        now = time.time_ns()
        match event:
            case LeaseGranted(key=key, sandbox_ids=ids, waited=waited):
                said: dict[str, Any] = {"user.id": key.user_id, "session.id": key.session_id, "sandbox.ids": ids}
                said |= {"sandbox.types": event.sandbox_types, "sandbox.warm": event.warm}
                self._past("connect", now, waited, said)
            case LeaseResumed(key=key, sandbox_ids=ids, waited=waited):
                said = {"user.id": key.user_id, "session.id": key.session_id, "sandbox.ids": ids}
                self._past("resume", now, waited, said)
            case SandboxStarted(sandbox_id=sandbox_id, took=took) if len(self._ran_at) < STARTING:
                self._ran_at[sandbox_id] = (now - _nanoseconds(took), now)
            case SandboxReady(sandbox_id=sandbox_id, sandbox_type=kind, took=took):
                self._started(sandbox_id, kind, now - _nanoseconds(took), now)
            case SandboxStartFailed(sandbox_id=sandbox_id, sandbox_type=kind, reason=reason):
                ordered, _ = self._ran_at.get(sandbox_id, (now, now))
                self._started(sandbox_id, kind, ordered, now, reason)
            case SandboxRemoved(sandbox_id=sandbox_id):  # its start may have been given up
                self._ran_at.pop(sandbox_id, None)

    def close(self) -> None:
        """Send what is not sent yet."""
        self._provider.shutdown()

    def _past(self, name: str, now: int, took: float, attributes: Mapping[str, Any]) -> None:
        """Make a span of the current call that is over by now."""
        span = self._tracer.start_span(name, attributes=attributes, start_time=now - _nanoseconds(took))
        span.end(now)

    def _started(self, sandbox_id: str, kind: str, began: int, now: int, failure: str = "") -> None:
        """Make a trace of a start: it is nobody's call, since whoever asked for it may get another sandbox."""
        attributes = {"sandbox.id": sandbox_id, "sandbox.type": kind}
        whole = self._tracer.start_span("start", Context(), attributes=attributes, start_time=began)
        inside = set_span_in_context(whole, Context())
        if (phase := self._ran_at.pop(sandbox_id, None)) is not None:
            ordered, ran = phase
            self._tracer.start_span("container", inside, start_time=ordered).end(ran)
            self._tracer.start_span("ready", inside, start_time=ran).end(now)
        if failure:
            whole.set_status(Status(StatusCode.ERROR, failure))
        whole.end(now)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * SECOND)
