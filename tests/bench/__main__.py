"""`make bench`: measure everything on a real Docker Engine, print a table, and keep all samples as JSON.

Not a test: nothing fails when a target is missed; the table says so. `--quick` takes few samples, to see that it runs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker
from bench import (
    cold,
    commands,
    computers,
    desktop,
    files,
    gateway,
    imports,
    leases,
    mcp,
    page,
    planning,
    rates,
    report,
    resting,
    size,
    stores,
    streaming,
    warm,
)
from managers import ROOT, Server

from agentscope_runtime.sandbox.registry import SandboxRegistry

RECORD = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"


def base_measures(n: int) -> list[report.Series]:
    """Measure everything that needs base sandboxes only."""
    with Server.temporary(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="3") as server:
        memory = size.memory(server, "base")
        return [
            *warm.base_sessions(server, n),
            *gateway.cells(server, n),
            *mcp.calls(server, n),
            *commands.streams(server, n),
            memory,
        ]


def browser_measures(n: int) -> list[report.Series]:
    """Measure everything that needs browser sandboxes only; slow, since a browser takes seconds to replace."""
    with Server.temporary(DEFAULT_SANDBOX_TYPE="browser", POOL_SIZE="2") as server, page.served() as url:
        memory = size.memory(server, "browser")
        return [warm.browser_sessions(server, url, n), desktop.changes(server, n), memory]


def computer_measures(n: int) -> list[report.Series]:
    """Measure what needs filesystem and gui sandboxes; fewer of the slow ones."""
    with Server.temporary(DEFAULT_SANDBOX_TYPE="filesystem", POOL_SIZE="3") as server:
        found = [size.memory(server, "filesystem"), computers.sessions(server, "filesystem", n)]
    with Server.temporary(DEFAULT_SANDBOX_TYPE="gui", POOL_SIZE="2") as server:
        found += [size.memory(server, "gui"), computers.sessions(server, "gui", max(5, n // 5))]
        found.append(computers.screenshots(server, n))
    return [*found, *computers.scripts(max(3, n // 10))]


def cold_measures(n: int) -> list[report.Series]:
    """Measure new processes; each takes seconds."""
    with page.served() as url:
        return cold.scripts(max(3, n // 10), url)


def size_measures(_: int) -> list[report.Series]:
    """Read the sizes of the images."""
    return [size.image(SandboxRegistry.get_image_by_type(kind), kind) for kind in size.TARGETS]


def file_measures(n: int) -> list[report.Series]:
    """Measure large files on their way; each takes seconds, and varies by a factor of two: one says nothing."""
    return files.transfers(max(5, n // 50))


def import_measures(n: int) -> list[report.Series]:
    """Measure what a new process pays for the engine; no sandbox has to do with it."""
    return imports.engine(max(3, n // 10))


def stream_measures(n: int) -> list[report.Series]:
    """Measure an agent's streams of events; no sandbox has to do with them."""
    return streaming.streams(max(5, n // 10))


def claim_measures(n: int) -> list[report.Series]:
    """Measure claims by the hundred, on boxes that are none."""
    return leases.claims(n)


def store_measures(n: int) -> list[report.Series]:
    """Measure the manager's stores by themselves."""
    return stores.stores(n)


def planning_measures(n: int) -> list[report.Series]:
    """Measure `simulate`, which needs neither engine nor boxes."""
    return planning.replays(max(1, n // 100))


def rate_measures(n: int) -> list[report.Series]:
    """Measure how fast real boxes come and go; each round takes seconds."""
    return rates.base_boxes(max(2, n // 50))


def resting_measures(n: int) -> list[report.Series]:
    """Measure what is waited for where nobody used a sandbox for a while."""
    return resting.wakes(n)


MEASURES: dict[str, Callable[[int], list[report.Series]]] = {
    "base": base_measures,
    "browser": browser_measures,
    "claims": claim_measures,
    "cold": cold_measures,
    "computers": computer_measures,
    "files": file_measures,
    "imports": import_measures,
    "planning": planning_measures,
    "rates": rate_measures,
    "resting": resting_measures,
    "size": size_measures,
    "stores": store_measures,
    "streams": stream_measures,
}


def main() -> None:
    """Run the benchmarks that the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=MEASURES, action="append", help="one group; may be repeated")
    parser.add_argument("-n", type=int, default=200, help="samples of the warm measures (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="the same as -n 10")
    parser.add_argument(
        "--publish", action="store_true", help="write docs/performance.{json,md}; what was not measured stays"
    )
    arguments = parser.parse_args()
    where = report.machine(docker.from_env().version())
    print("  ".join(f"{name}: {value}" for name, value in where.items()), flush=True)
    series: list[report.Series] = []
    for name in arguments.only or MEASURES:
        print(f"measuring {name} …", flush=True)
        series += MEASURES[name](10 if arguments.quick else arguments.n)
    print("\n" + report.table(series))
    target = RECORD if arguments.publish else Path(tempfile.gettempdir()) / "agentscope-runtime-bench.json"
    if arguments.publish:
        series = report.together(RECORD, series)
    report.save(target, where, series)
    print(f"\nall samples: {target}")
    if arguments.publish:
        report.publish(PAGE, where, series)


if __name__ == "__main__":
    main()
