"""docs/operations.md names what there is (metrics, events, settings, codes, tests), and a copied folder is a backup."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import httpx
from managers import ROOT
from prometheus_client.parser import text_string_to_metric_families
from served_manager import manager as run_manager

from agentscope_runtime.sandbox import errors
from agentscope_runtime.sandbox_manager import events
from agentscope_runtime.sandbox_manager.keys import installation_id, load_key
from agentscope_runtime.sandbox_manager.metrics import CAUSES
from agentscope_runtime.sandbox_manager.settings import Settings

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
METRICS = PAGE.partition("### Metrics")[2].partition("### Events")[0]
TABLE = [line for line in METRICS.splitlines() if line.startswith("| `")]


async def test_the_table_has_every_metric_with_its_labels(tmp_path: Path) -> None:
    """No more, and no fewer."""
    async with run_manager(tmp_path) as manager, manager.http() as http:
        await manager.lease("base")
        await manager.pool.report()
        text = (await http.get("/metrics")).text
    there = {family.name: family for family in text_string_to_metric_families(text)}
    ours = {name.removeprefix("agentscope_") for name in there if name.startswith("agentscope_")}
    told: dict[str, set[str]] = {}
    for line in TABLE:
        first, second, _ = line.strip("| ").split("|", 2)
        for name in re.findall(r"`(\w+)`", first):
            told[name.removesuffix("_total")] = set(re.findall(r"`(\w+)`", second))
    assert set(told) == ours
    for name, labels in told.items():
        for sample in there[f"agentscope_{name}"].samples:
            assert set(sample.labels) - {"le"} <= labels, name


def test_every_cause_is_explained() -> None:
    """Those of sandboxes, of which those of leases are some."""
    (line,) = (line for line in TABLE if "`sandboxes_ended_total`" in line)
    assert {*CAUSES.values(), "died", "other"} == set(re.findall(r"`([a-z_]+)`", line.rsplit("|", 2)[1]))


def test_the_rules_name_metrics_that_there_are() -> None:
    """An alert on a metric that nobody has never fires."""
    told = {name for line in TABLE for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    used = set(re.findall(r"agentscope_(\w+)", METRICS.partition("Worth an alert")[2]))
    assert len(used) > 5
    assert {name.removesuffix("_bucket") for name in used} <= told


def test_every_event_is_named() -> None:
    """As the stream calls it."""
    listed = PAGE.partition("\nEvents: ")[2].partition("\n\n")[0]
    there = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)}
    names = {events.outside(kind.__name__) for kind in there - {events.Event, events.SandboxStoppingElsewhere}}
    assert set(re.findall(r"`(\w+)`", listed)) == names


def test_settings_and_codes_are_those_that_there_are() -> None:
    """Whoever renames one finds this page."""
    variables = {name.upper() for name in Settings.model_fields} | {"AGENTSCOPE_RUNTIME_STATE_DIR"}
    variables |= {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_HEADERS"}  # the library's
    named = set(re.findall(r"`([A-Z][A-Z_]*_[A-Z_]+)(?:[=/][^`]*)?`", PAGE))
    assert len(named) > 15
    assert named <= variables
    wrong = PAGE.partition("## When something is wrong")[2].partition("## What holds")[0]
    codes = {
        code
        for line in wrong.splitlines()
        for code in re.findall(r"`(\w+)`", line.split("|")[1] if "|" in line else "")
    }
    family = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
    assert codes - {"agentscope_leader"} <= family
    assert len(codes) > 4


def test_every_test_that_is_named_is_there() -> None:
    """A claim is worth what tries it."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 15
    for path, function in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert not function or function in tests, f"{path}::{function}"


async def test_probes_tell_nothing_but_themselves(tmp_path: Path) -> None:
    """They need no key; all else that is told needs it."""
    async with run_manager(tmp_path) as manager, httpx.AsyncClient(base_url=manager.url, trust_env=False) as http:
        for path in re.findall(r"^\| `(/\w+)` \|", PAGE, re.MULTILINE):
            assert (await http.get(path)).status_code in (200, 503)
        for path in ("/metrics", "/v1/events", "/v1/pool", "/v1/leases"):
            assert (await http.get(path)).status_code == 401


async def test_a_copy_of_the_state_folder_is_a_backup(tmp_path: Path) -> None:
    """Taken while a manager runs: the same key, the same installation, and the snapshots are there."""
    state, copy = tmp_path / "state", tmp_path / "copy"
    key, installation = load_key(Settings(state_dir=state, port=0)), installation_id(state)
    async with run_manager(state) as manager, manager.http() as http:
        (sandbox,) = await manager.lease("base")
        here = f"/v1/sandboxes/{sandbox}"
        (await http.put(f"{here}/files/content", params={"path": "a"}, content=b"text")).raise_for_status()
        (await http.put("/v1/snapshots/kept", json={"sandbox_id": sandbox})).raise_for_status()
        shutil.copytree(state, copy)
    assert load_key(Settings(state_dir=copy, port=0)) == key
    assert installation_id(copy) == installation
    async with run_manager(copy) as manager, manager.http() as http:
        body = {"session_id": "s2", "sandbox_types": ["base"], "options": {"from_snapshot": "kept"}}
        (box,) = (await http.post("/v1/leases", json=body)).raise_for_status().json()["sandboxes"]
        read = await http.get(f"/v1/sandboxes/{box['sandbox_id']}/files/content", params={"path": "a"})
        assert read.content == b"text"
