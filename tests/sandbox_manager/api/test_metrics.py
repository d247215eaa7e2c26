"""What `/metrics` tells, as Prometheus reads it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read
from served_manager import Manager
from served_manager import manager as run_manager

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.backends.fake import MEMORY
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Return all samples by name and labels."""
    return {(s.name, frozenset(s.labels.items())): s.value for family in read(text) for s in family.samples}


async def scrape(http: httpx.AsyncClient) -> Samples:
    """Ask for all metrics."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return samples(answer.text)


def named(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """Name a sample."""
    return f"agentscope_{name}", frozenset(labels.items())


async def full(manager: Manager) -> None:
    """Wait until the pools are full."""
    for _ in range(1000):
        if all(pool.ready >= pool.target for pool in (await manager.pool.report()).types.values()):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the pools are not full")


async def test_a_session_is_seen_in_the_metrics(manager: Manager) -> None:
    """Its sandbox by state, where it came from, how long it took, and why it ended; the store that was asked for it."""
    await full(manager)
    async with manager.http() as http:
        await manager.lease("base")
        await full(manager)
        seen = await scrape(http)
        assert seen[named("sandboxes", type="base", state="leased")] == 1
        assert seen[named("sandboxes", type="base", state="ready")] == 1
        assert seen[named("pool_target", type="browser")] == 1
        assert seen[named("pool_hits_total", type="base")] == 1
        assert seen[named("connect_seconds_count", pool="hit")] == 1
        assert seen[named("start_seconds_count", type="base", phase="total")] == 2
        assert seen[named("start_seconds_count", type="base", phase="container")] == 2
        assert seen[named("store_seconds_count", verb="claim")] == 1
        assert seen[named("store_up")] == 1
        assert seen[named("calls_running")] == 1  # this one
        assert seen[named("leader")] == 1
        assert seen[named("queue_waiting")] == seen[named("sandboxes_limit")] == 0
        assert seen[named("process_resident_memory_bytes")[0].removeprefix("agentscope_"), frozenset()] > 1 << 20
        assert (await http.delete("/v1/leases", params={"session_id": "s1"})).status_code == 204
        seen = await scrape(http)
        assert seen[named("leases_ended_total", cause="released")] == 1
        assert seen[named("sandboxes_ended_total", type="base", cause="released")] == 1


async def test_calls_are_counted_by_their_pattern_and_failures_by_their_code(manager: Manager) -> None:
    """Names of sandboxes make no time series, nor do paths that there are not; the guard's refusals count as well."""
    async with manager.http() as http, manager.http(key=False) as stranger:
        for number in range(3):
            await http.get(f"/v1/sandboxes/sbx-{number}")
            await http.get(f"/none/{number}")
        await stranger.get("/v1/pool")
        seen = await scrape(http)
    assert seen[named("answers_total", route="/v1/sandboxes/{sandbox_id}", method="GET", status="404")] == 3
    assert seen[named("call_seconds_count", route="/v1/sandboxes/{sandbox_id}", method="GET")] == 3
    assert seen[named("answers_total", route="other", method="GET", status="404")] == 3
    assert seen[named("problems_total", code="sandbox_not_found")] == 3
    assert seen[named("problems_total", code="not_found")] == 3
    assert seen[named("problems_total", code="not_authorized")] == 1


async def test_memory_is_told_by_kind_once_it_was_looked_at(manager: Manager) -> None:
    """The first who asks starts the look."""
    await full(manager)
    async with manager.http() as http:
        for _ in range(100):
            if named("sandbox_memory_bytes", type="base") in (seen := await scrape(http)):
                break
            await asyncio.sleep(0.01)
        assert seen[named("sandbox_memory_bytes", type="browser")] == MEMORY


async def test_it_needs_the_key(manager: Manager) -> None:
    """How busy an installation is, is nobody else's business."""
    async with manager.http(key=False) as http:
        assert (await http.get("/metrics")).status_code == 401


async def test_who_prefers_openmetrics_gets_it(manager: Manager) -> None:
    """As newer Prometheus servers do; each metric stands there once."""
    async with manager.http(headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = [family.name for family in read_open(answer.text)]  # type: ignore[no-untyped-call]
    assert len(names) == len(set(names)) > 25


async def test_an_accept_header_that_makes_no_sense_gets_the_usual_text(manager: Manager) -> None:
    """What it asks for is nothing that there is."""
    async with manager.http(headers={"Accept": "application/openmetrics-text;version=abc"}) as http:
        await scrape(http)


async def test_a_store_that_is_away_hides_only_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is when metrics are needed most."""
    async with run_manager(tmp_path) as manager, manager.http() as http:
        await full(manager)

        async def away(_: MemoryStore) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(manager.pool.store, "census", away.__get__(MemoryStore("")))
        seen = await scrape(http)
        assert seen[named("store_up")] == 0
        assert seen[named("start_seconds_count", type="base", phase="total")] == 1
        assert not [name for name, _ in seen if name == "agentscope_sandboxes"]
        monkeypatch.undo()
        assert (await scrape(http))[named("store_up")] == 1
