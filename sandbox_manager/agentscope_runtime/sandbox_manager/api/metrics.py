"""`/metrics`: what this manager counted, and how the pools stand, as Prometheus reads it.

With the key, as any other call: how busy an installation is, is nobody else's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.api.gateway import pool_of
from agentscope_runtime.sandbox_manager.api.problems import PROBLEM
from agentscope_runtime.sandbox_manager.metrics import Metrics

if TYPE_CHECKING:
    from agentscope_runtime.sandbox_manager.memory_use import MemoryUse
    from agentscope_runtime.sandbox_manager.pool import Pool
    from agentscope_runtime.sandbox_manager.states import Census

router = APIRouter(tags=["health"])

STATES = ("starting", "ready", "leased", "suspending", "suspended", "stopping")
ELSEWHERE = "other"
"""The route of what has none, such as visitors' calls to ports of sandboxes: paths are not ours to count."""


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Tell what this manager counted and how the pools stand, in the text format of Prometheus, or in OpenMetrics."""
    pool, counted = pool_of(request), metrics_of(request)
    state = request.app.state
    gauges = [*_running(state.drain.running, pool), _memory(state.memory_use)]
    try:
        gauges += _pools(await pool.store.census(), await pool.report())
    except StoreUnavailable:  # what this manager knows by itself is told all the same
        gauges.append(_gauge("store_up", "Whether the store answers", {(): 0}))
    else:
        gauges.append(_gauge("store_up", "Whether the store answers", {(): 1}))
    encode, media_type = _encoder(request.headers.get("accept", ""))
    # The family of types has no word for "whatever can be collected from".
    everything: Any = _Everything(counted, gauges)
    return Response(encode(everything), headers={"Content-Type": media_type})


def _encoder(accept: str) -> tuple[Callable[[Any], bytes], str]:
    """Return how to encode for whoever accepts this; the usual text where the header makes no sense."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # `version=abc`: it compares what it reads, whatever that is
        return choose_encoder("")


def metrics_of(request: Request) -> Metrics:
    """Return what the application that serves this call counts."""
    counted: Metrics = request.app.state.metrics
    return counted


class Counted:
    """A middleware that counts answers, and measures how long they took to begin."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an application."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call through."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Where it went stands in the scope by now, as a pattern: few time series, and no names of sandboxes.
                route = getattr(scope.get("route"), "path", ELSEWHERE)
                self._metrics.call(route, scope["method"], message["status"], time.perf_counter() - began)
                if code := scope.get(PROBLEM):
                    self._metrics.refused(code)
            await send(message)

        await self._app(scope, receive, counting)


class _Everything:
    """What is looked up now, then what was counted; as a registry for whoever encodes it."""

    def __init__(self, counted: Metrics, gauges: Iterable[Metric]) -> None:
        self._counted = counted
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        yield from self._gauges
        for family in self._counted.registry.collect():
            # When each series began is as many series again, and nobody asks for it.
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _running(calls: int, pool: Pool) -> Iterator[Metric]:
    yield _gauge("calls_running", "HTTP calls that have begun and are not answered", {(): calls})
    yield _gauge("starts_queued", "Sandboxes that wait for their turn to be started", {(): pool.launcher.queued})
    yield _gauge("leader", "Whether this manager refills, reaps and reconciles", {(): pool.membership.is_leader})
    queue = pool.admission.to_wire()
    yield _gauge("queue_waiting", "Calls that wait here for room", {(): queue.waiting})
    yield _gauge("queue_users", "Different users among them", {(): queue.users})
    yield _gauge("queue_longest_seconds", "How long the first of them waits", {(): queue.longest})


def _memory(use: MemoryUse) -> Metric:
    means = {(kind,): mean for kind, mean in use.means().items()}
    return _gauge("sandbox_memory_bytes", "Mean memory of a running sandbox, as sampled of late", means, "type")


def _pools(census: Mapping[str, Census], report: wire.PoolReport) -> Iterator[Metric]:
    counts = {(kind, state): getattr(count, state) for kind, count in census.items() for state in STATES}
    yield _gauge("sandboxes", "Sandboxes of the whole installation, by state", counts, "type", "state")
    kinds = report.types.items()
    targets = {(kind,): status.target for kind, status in kinds}
    yield _gauge("pool_target", "Free sandboxes that the pool keeps", targets, "type")
    failures = {(kind,): status.failures.count for kind, status in kinds}
    yield _gauge("start_failures_in_a_row", "Failed starts since the last good one", failures, "type")
    yield _gauge("sandboxes_limit", "Most sandboxes at once, over all kinds; 0 is no limit", {(): report.limit})
    yield _gauge("memory_limit_bytes", "Most that all may use at once; 0 is no limit", {(): report.limits.memory})


def _gauge(name: str, what: str, values: Mapping[Any, float], *labels: str) -> Metric:
    """Return a gauge with a value for each combination (a tuple) of the labels' values."""
    family = GaugeMetricFamily(f"agentscope_{name}", what, labels=labels)
    for names, value in values.items():
        family.add_metric(names, value)
    return family
