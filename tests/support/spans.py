"""A tracer that keeps its spans for a test to look at."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentscope_runtime.sandbox_manager.tracing import Tracing


class Spans:
    """A tracer, and what it made."""

    def __init__(self) -> None:
        provider = TracerProvider()
        self._exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider)

    def by_name(self) -> dict[str, ReadableSpan]:
        """Return all spans that are over."""
        return {span.name: span for span in self._exporter.get_finished_spans()}
