"""What a benchmark measured and on what machine, as a table for people and JSON for the record.

Percentiles are of all samples: nothing is trimmed, the slowest included.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

FACTS = ("name", "unit", "state", "at", "load", "target", "target_p95", "at_least")


@dataclass
class Series:
    """One measure: its samples, and what it should reach."""

    name: str
    unit: str = "ms"
    state: str = "warm"
    """`warm` (pool filled, connections open) or `cold` (a new process, pool 0, nothing running)."""
    target: float | None = None
    """For the 50th percentile, or the 95th where `target_p95`."""
    target_p95: bool = False
    at_least: bool = False
    """Whether more is better: of a speed, say."""
    samples: list[float] = field(default_factory=list)
    at: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()))
    """When the first of them was taken."""
    load: float | None = field(default_factory=lambda: round(os.getloadavg()[0], 1))
    """How many processes wanted a CPU then, on average over the minute before."""

    @classmethod
    def recorded(cls, record: dict[str, Any]) -> Self:
        """Return a measure of an earlier run."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__ if name in record})

    def percentile(self, share: float) -> float:
        """Return the smallest sample that this share of all samples does not exceed."""
        ordered = sorted(self.samples)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    @property
    def reached(self) -> bool | None:
        """Whether the target holds; None without one."""
        if self.target is None:
            return None
        figure = self.percentile(0.95 if self.target_p95 else 0.5)
        return figure >= self.target if self.at_least else figure <= self.target

    def record(self) -> dict[str, Any]:
        """Return everything, samples included."""
        percentiles = {f"p{int(share * 100)}": round(self.percentile(share), 3) for share in (0.5, 0.95, 0.99)}
        return {
            **{
                name: getattr(self, name)
                for name in ("name", "unit", "state", "at", "load", "target", "target_p95", "at_least")
            },
            "reached": self.reached,
            "n": len(self.samples),
            **percentiles,
            "min": min(self.samples),
            "max": max(self.samples),
            "samples": [round(sample, 3) for sample in self.samples],
        }


def machine(engine: dict[str, Any]) -> dict[str, Any]:
    """Describe where this is measured; `engine` is what the container engine says of itself."""
    with open("/proc/meminfo") as lines:
        memory = int(lines.readline().split()[1]) // 1024
    return {
        "host": platform.platform(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "memory_mib": memory,
        "python": platform.python_version(),
        "engine": engine.get("Version", "?"),
    }


COLUMNS = ("measure", "at", "load", "state", "n", "p50", "p95", "p99", "unit", "target", "")


def table(series: list[Series]) -> str:
    """Return the measures as a Markdown table."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS)]
    for one in series:
        at = "" if one.target is None else f"{'≥ ' * one.at_least}{one.target:g}" + (" (p95)" if one.target_p95 else "")
        verdict = {True: "✓", False: "missed", None: ""}[one.reached]
        figures = tuple(f"{one.percentile(share):.1f}" for share in (0.5, 0.95, 0.99))
        said = (
            one.name,
            one.at,
            "?" if one.load is None else str(one.load),
            one.state,
            str(len(one.samples)),
            *figures,
            one.unit,
            at,
            verdict,
        )
        rows.append(said)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def together(path: Path, series: list[Series]) -> list[Series]:
    """Return what was published so far, with these measures in the place of the same ones of before."""
    earlier = json.loads(path.read_text())["measures"] if path.exists() else []
    measures = {one.name: one for one in map(Series.recorded, earlier)}
    return list((measures | {one.name: one for one in series}).values())


def save(path: Path, where: dict[str, Any], series: list[Series]) -> None:
    """Write the record of one run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"machine": where, "measures": [one.record() for one in series]}
    path.write_text(json.dumps(record, indent=1) + "\n")


def publish(page: Path, where: dict[str, Any], series: list[Series]) -> None:
    """Replace the table between the markers of a page of the documentation."""
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    text = page.read_text()
    head, rest = text.split(begin, 1)
    _, tail = rest.split(end, 1)
    facts = ", ".join(f"{name} {value}" for name, value in where.items())
    page.write_text(f"{head}{begin}\n{facts}\n\n{table(series)}\n{end}{tail}")
