"""Sessions to replay: from a file, or made up by chance.

A file has a session a line, in the order of their times: as JSON objects, or as CSV with a line of names on top. `at`
is when the session asks and `hold` how long it keeps its sandbox, both in seconds; `type` (`base`) and `user` (one and
the same) may be left out. A session that holds several kinds is several lines. The file is read as it is replayed, so
its length does not matter.
"""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class TraceError(ValueError):
    """A trace that cannot be replayed; the message says where and why."""


class Arrival(NamedTuple):
    """A session that asks for one sandbox."""

    at: float
    hold: float
    kind: str = "base"
    user: str = ""


def read(path: Path) -> Iterator[Arrival]:
    """Read a trace; `.csv` is CSV, everything else JSON lines.

    Raises:
        TraceError: A line is not what it should be, or earlier than the one before.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            yield from _in_order(path, csv.DictReader(file) if path.suffix.lower() == ".csv" else _objects(path, file))
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is no text in UTF-8") from error


def made_up(*, rate: float, hold: float, duration: float, seed: int, kind: str = "base") -> Iterator[Arrival]:
    """Make up sessions that come and go by chance (Poisson arrivals, exponential holds).

    Args:
        rate: Sessions per second.
        hold: Mean of the seconds that each keeps its sandbox.
        duration: Seconds.
        seed: The same one makes the same sessions.
        kind: Of the sandboxes.
    """
    chance = random.Random(seed)  # noqa: S311 - nobody's secret depends on it
    at = chance.expovariate(rate)
    while at < duration:
        yield Arrival(at, chance.expovariate(1.0 / hold), kind)
        at += chance.expovariate(rate)


def _objects(path: Path, lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise TraceError(f"{path}, line {number} is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise TraceError(f'{path}, line {number} is no object such as {{"at": 0.5, "hold": 60}}')
        yield value


def _in_order(path: Path, rows: Iterable[Mapping[str, Any]]) -> Iterator[Arrival]:
    before = -math.inf
    for number, row in enumerate(rows, start=1):
        try:
            at, hold = float(row["at"]), float(row["hold"])
        except KeyError as error:
            raise TraceError(f"{path}, session {number} has no {error.args[0]!r}") from error
        except (TypeError, ValueError) as error:
            raise TraceError(f"{path}, session {number}: `at` and `hold` are seconds: {error}") from error
        if not (math.isfinite(at) and 0 <= hold < math.inf):
            raise TraceError(f"{path}, session {number}: `at` and `hold` have to be finite, `hold` at least 0")
        if at < before:
            raise TraceError(f"{path}, session {number} is earlier than the one before: sort the file by `at`")
        before = at
        yield Arrival(at, hold, row.get("type") or "base", row.get("user") or "")
