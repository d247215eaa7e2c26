"""What is counted, and in which words."""

from __future__ import annotations

import ast
import asyncio
import time
from pathlib import Path

import pytest

from agentscope_runtime import sandbox_manager
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
    SandboxRemoved,
    SandboxSilent,
    SandboxStarted,
    SandboxStartFailed,
    SandboxStopping,
    SandboxStoppingElsewhere,
    StoreRebuilt,
)
from agentscope_runtime.sandbox_manager.metrics import CAUSES, LAG_EVERY, Metrics, cause_of
from agentscope_runtime.sandbox_manager.states import LeaseKey

KEY = LeaseKey("alice", "s1")
ONES = [
    (SandboxStarted("sbx-1", "base", 0.3), "start_seconds_count", {"type": "base", "phase": "container"}),
    (SandboxReady("sbx-1", "base", 0.9), "start_seconds_count", {"type": "base", "phase": "total"}),
    (SandboxStartFailed("sbx-1", "base", "no luck"), "start_failures_total", {"type": "base"}),
    (RefillDelayed("base", 1, 0.5, "no luck"), "refill_pauses_total", {"type": "base"}),
    (LeaseEnded(KEY, ("sbx-1",), "released"), "leases_ended_total", {"cause": "released"}),
    (LeaseEnded(KEY, ("sbx-1",), "idle for 300 s"), "leases_ended_total", {"cause": "idle"}),
    (LeaseEnded(KEY, ("sbx-1",), "expired"), "leases_ended_total", {"cause": "expired"}),
    (LeaseEnded(KEY, ("sbx-1",), "suspended for 60 s"), "leases_ended_total", {"cause": "forgotten"}),
    (LeaseSuspended(KEY, ("sbx-1",), "idle for 300 s"), "leases_suspended_total", {}),
    (LeaseResumed(KEY, ("sbx-1",), 0.9), "connect_seconds_count", {"pool": "resumed"}),
    (SandboxPaused("sbx-1", "base"), "sandboxes_paused_total", {"type": "base"}),
    (SandboxSilent("sbx-1", "base", 3), "sandboxes_silent_total", {"type": "base"}),
    (RemovalFailed("sbx-1", "no luck", 0.5), "removal_failures_total", {}),
    (ManagerSucceeded("mgr-1", ("sbx-1", "sbx-2")), "managers_succeeded_total", {}),
    (StoreRebuilt(("sbx-1",), (), ()), "store_rebuilds_total", {}),
    (OrphanRemoved("sbx-1", "mgr-1", "volume"), "orphans_removed_total", {"what": "volume"}),
]


def value(metrics: Metrics, name: str, labels: dict[str, str] | None = None) -> float | None:
    """Return a sample, None if there is none."""
    return metrics.registry.get_sample_value(f"agentscope_{name}", labels or {})


@pytest.mark.parametrize(("event", "name", "labels"), ONES)
def test_each_event_is_counted_once(event: Event, name: str, labels: dict[str, str]) -> None:
    """Under the labels that an operator asks by."""
    metrics = Metrics()
    metrics.note(event)
    assert value(metrics, name, labels) == 1


def test_a_lease_counts_what_came_from_the_pool_and_how_long_it_took() -> None:
    """Of each sandbox whether it was found ready; of the whole a hit only if all were."""
    metrics = Metrics()
    metrics.note(LeaseGranted(KEY, ("a", "b"), (True, False), 0.7, ("base", "browser")))
    metrics.note(LeaseGranted(KEY, ("c",), (True,), 0.003, ("base",)))
    assert value(metrics, "pool_hits_total", {"type": "base"}) == 2
    assert value(metrics, "pool_misses_total", {"type": "browser"}) == 1
    assert value(metrics, "connect_seconds_sum", {"pool": "miss"}) == pytest.approx(0.7)
    assert value(metrics, "connect_seconds_bucket", {"pool": "hit", "le": "0.005"}) == 1


def test_the_engine_is_up_until_it_is_said_to_be_lost() -> None:
    """And again when it is back."""
    metrics = Metrics()
    seen = [value(metrics, "engine_up")]
    for event in (BackendLost("no answer"), BackendBack()):
        metrics.note(event)
        seen.append(value(metrics, "engine_up"))
    assert seen == [1, 0, 1]


def test_what_nobody_counts_is_no_failure() -> None:
    """Events that mean nothing here pass."""
    before = ours(Metrics())
    metrics = Metrics()
    metrics.note(SandboxRemoved("sbx-1", "base"))
    metrics.note(SandboxStoppingElsewhere("sbx-1", "base", KEY, "was released"))  # the other manager counts it
    assert ours(metrics) == before


def ours(metrics: Metrics) -> dict[str, float]:
    """Return all that does not change by itself."""
    found: dict[str, float] = {}
    for family in metrics.registry.collect():
        if family.name.startswith("agentscope"):
            found |= {f"{s.name}{s.labels}": s.value for s in family.samples if not s.name.endswith("_created")}
    return found


def test_endings_are_few_words_whatever_their_reasons_say() -> None:
    """A cause is a time series: a message with a name or a number in it must not be one."""
    metrics = Metrics()
    for code in (1, 137):
        metrics.note(SandboxStopping(f"sbx-{code}", "base", KEY, f"ended with exit code {code}", died=True))
    assert value(metrics, "sandboxes_ended_total", {"type": "base", "cause": "died"}) == 2
    assert cause_of("did not start: no luck", died=True) == "start_failed"


def test_every_ending_in_the_manager_has_a_cause_of_its_own() -> None:
    """Whoever adds one finds `other` in the metrics otherwise."""
    reasons = [(path, *said) for path in Path(sandbox_manager.__file__).parent.rglob("*.py") for said in endings(path)]
    assert len(reasons) > 8
    told_later = {said for said in reasons if any(known.startswith(said[1]) for known in CAUSES)}  # f"was {…}"
    assert [said for said in reasons if said not in told_later and cause_of(said[1], died=said[2]) == "other"] == []


def endings(path: Path) -> list[tuple[str, bool]]:
    """Return how the reasons of `Ending(…)` in a file begin, and whether they say died."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Ending" and node.args:
            reason = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            if isinstance(reason, ast.Constant):
                found.append((str(reason.value), bool(node.keywords)))
    return found


def test_the_store_is_timed_by_verb_and_its_absence_counted() -> None:
    """Both for each question, whatever came of it."""
    metrics = Metrics()
    metrics.store("claim", 0.002, True)
    metrics.store("claim", 1.0, False)
    assert value(metrics, "store_seconds_count", {"verb": "claim"}) == 2
    assert value(metrics, "store_unavailable_total") == 1


async def test_a_blocked_loop_is_seen() -> None:
    """By how late a look at the clock comes."""
    metrics = Metrics()
    watching = asyncio.create_task(metrics.watch_loop())
    await asyncio.sleep(0)
    time.sleep(LAG_EVERY + 0.2)  # what a blocking call does
    await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.wait([watching])
    assert (value(metrics, "event_loop_lag_seconds_sum") or 0) >= 0.19
