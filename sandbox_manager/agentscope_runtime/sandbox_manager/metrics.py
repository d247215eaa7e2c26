"""Counts and durations of one manager, for Prometheus: it listens to events and is told what took how long.

What stands in the store is not counted here, but looked up when somebody asks (`api.metrics`). Each manager counts what
it did itself: the sum over all managers is what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from agentscope_runtime.sandbox_manager.events import (
    BackendBack,
    BackendLost,
    Event,
    LeaseEnded,
    LeaseGranted,
    LeaseResumed,
    LeaseSuspended,
    ManagerSucceeded,
    OrphanRemoved,
    RefillDelayed,
    RemovalFailed,
    SandboxPaused,
    SandboxReady,
    SandboxSilent,
    SandboxStarted,
    SandboxStartFailed,
    SandboxStopping,
    StoreRebuilt,
)

CONNECTS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
STARTS = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60)
STORES = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2)
CALLS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
"""Upper bounds of the histograms' buckets, in seconds."""
LAG_EVERY = 0.25
"""Seconds between two looks at how late the event loop is."""

CAUSES = {
    "was released": "released",
    "was idle": "idle",
    "was expired": "expired",
    "came to the end of its lease": "expired",
    "was suspended for": "forgotten",
    "was more than the pool needs": "surplus",
    "made room": "displaced",
    "was started for a session that did not wait": "unwanted",
    "was removed because its manager stopped": "shutdown",
    "waited in the pool for longer": "aged",
    "ran an image that has been rebuilt": "stale",
    "could not be made what its lease asked for": "unfit",
    "could not say that nobody had used it": "unfit",
    "was being removed by a manager": "left_behind",
    "did not start": "start_failed",
}
"""How the reasons of endings begin that are no deaths, and how they are called here: few words, so few time series."""


def cause_of(reason: str, *, died: bool = False) -> str:
    """Return why a sandbox ended, in one of few words."""
    for beginning, cause in CAUSES.items():
        if reason.startswith(beginning):
            return cause
    return "died" if died else "other"


class Metrics:
    """What one manager counts."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._count_leases()
        self._count_sandboxes()
        self._count_the_rest()
        self._notes: dict[type[Event], Callable[[Any], None]] = {
            LeaseGranted: self._granted,
            LeaseSuspended: lambda _: self._suspended.inc(),
            LeaseResumed: lambda e: self._connects.labels("resumed").observe(e.waited),
            LeaseEnded: lambda e: self._leases_ended.labels(cause_of(f"was {e.reason}")).inc(),
            SandboxStarted: lambda e: self._starts.labels(e.sandbox_type, "container").observe(e.took),
            SandboxReady: lambda e: self._starts.labels(e.sandbox_type, "total").observe(e.took),
            SandboxStartFailed: lambda e: self._start_failures.labels(e.sandbox_type).inc(),
            SandboxStopping: lambda e: self._ended.labels(e.sandbox_type, cause_of(e.reason, died=e.died)).inc(),
            SandboxPaused: lambda e: self._paused.labels(e.sandbox_type).inc(),
            SandboxSilent: lambda e: self._silent.labels(e.sandbox_type).inc(),
            RefillDelayed: lambda e: self._pauses.labels(e.sandbox_type).inc(),
            RemovalFailed: lambda _: self._removal_failures.inc(),
            OrphanRemoved: lambda e: self._orphans.labels(e.what).inc(),
            ManagerSucceeded: lambda _: self._succeeded.inc(),
            StoreRebuilt: lambda _: self._rebuilt.inc(),
            BackendLost: lambda _: self._engine.set(0),
            BackendBack: lambda _: self._engine.set(1),
        }

    def note(self, event: Event) -> None:
        """Subscribe to what happens."""
        if count := self._notes.get(type(event)):
            count(event)

    def store(self, verb: str, seconds: float, served: bool) -> None:
        """Take note of one question to the store; see `stores.timed`."""
        self._store.labels(verb).observe(seconds)
        if not served:
            self._store_away.inc()

    def call(self, route: str, method: str, status: int, seconds: float) -> None:
        """Take note of an answer that begins."""
        self._calls.labels(route, method).observe(seconds)
        self._answers.labels(route, method, str(status)).inc()

    def refused(self, code: str) -> None:
        """Take note of a call that is answered by a problem."""
        self._problems.labels(code).inc()

    async def watch_loop(self) -> None:
        """Measure how late the event loop is, until cancelled: what blocks it, blocks everybody."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            self._lag.observe(max(0.0, loop.time() - due))

    def _granted(self, event: LeaseGranted) -> None:
        for kind, warm in zip(event.sandbox_types, event.warm, strict=True):
            (self._hits if warm else self._misses).labels(kind).inc()
        self._connects.labels("hit" if all(event.warm) else "miss").observe(event.waited)

    def _count_leases(self) -> None:
        self._connects = self._histogram(
            "connect_seconds", "From a session's ask to its sandboxes, by where they came from", CONNECTS, "pool"
        )
        self._hits = self._counter("pool_hits", "Sandboxes that sessions got from the pool", "type")
        self._misses = self._counter("pool_misses", "Sandboxes that had to be started while a session waited", "type")
        self._suspended = self._counter("leases_suspended", "Leases whose containers went because nobody used them")
        self._leases_ended = self._counter("leases_ended", "Leases that ended, by cause", "cause")

    def _count_sandboxes(self) -> None:
        self._starts = self._histogram(
            "start_seconds", "Until the container runs, and in total until it is ready", STARTS, "type", "phase"
        )
        self._start_failures = self._counter("start_failures", "Sandboxes that did not become ready", "type")
        self._pauses = self._counter("refill_pauses", "Times that the refill waits after a failed start", "type")
        self._ended = self._counter("sandboxes_ended", "Sandboxes taken out of use, by cause", "type", "cause")
        self._paused = self._counter("sandboxes_paused", "Leased sandboxes that were frozen for being idle", "type")
        self._silent = self._counter("sandboxes_silent", "Leased sandboxes that run and stopped answering", "type")
        self._removal_failures = self._counter("removal_failures", "Removals that failed and are tried again")
        self._orphans = self._counter("orphans_removed", "What dead managers left and was removed", "what")

    def _count_the_rest(self) -> None:
        self._engine = Gauge("agentscope_engine_up", "Whether the container engine answers", registry=self.registry)
        self._engine.set(1)
        self._store = self._histogram("store_seconds", "Questions to the store, by verb", STORES, "verb")
        self._store_away = self._counter("store_unavailable", "Questions that the store did not serve")
        self._succeeded = self._counter("managers_succeeded", "Dead managers whose work this one finished")
        self._rebuilt = self._counter("store_rebuilds", "Times that an empty store was filled from the boxes")
        self._calls = self._histogram("call_seconds", "HTTP calls, until the answer begins", CALLS, "route", "method")
        self._answers = self._counter("answers", "HTTP answers", "route", "method", "status")
        self._problems = self._counter("problems", "Calls answered by a problem, by its code", "code")
        self._lag = self._histogram("event_loop_lag_seconds", "How late the event loop is, 4 times a second", LAGS)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"agentscope_{name}", what, labels, registry=self.registry, buckets=buckets)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"agentscope_{name}", what, labels, registry=self.registry)
