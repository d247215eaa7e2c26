"""The command `runtime-sandbox-server simulate`: its options, and the table that it prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox.registry import SandboxRegistry, parse_size
from agentscope_runtime.sandbox.types import plain_type
from agentscope_runtime.sandbox_manager.simulation.replay import Outcome, replay
from agentscope_runtime.sandbox_manager.simulation.stock import Plan
from agentscope_runtime.sandbox_manager.simulation.traces import Arrival, TraceError, made_up, read
from agentscope_runtime.sandbox_manager.sizing import DEEPEST, Bounds
from agentscope_runtime.sandbox_manager.states import Limits

T = TypeVar("T", int, float)

STARTS = {"base": 1.0, "browser": 1.7, "filesystem": 1.4, "gui": 2.4}
"""Seconds of a start on two cores, one at a time; docs/performance.md has them measured."""
GIB = 1 << 30
HEADINGS = ("pools", "hits", "wait p50", "p95", "p99", "max", "refused", "free", "most", "GiB", "most GiB")
HELP = """Replay sessions against pools of given sizes, in virtual time, and print what share of them would have found
a sandbox ready, how long the others would have waited, and the memory that the sandboxes may have used. Sizes are one
number for every kind, or by kind: base=2,browser=1. Several after --pool-size are a line of the table each."""


def main(arguments: list[str]) -> None:
    """Replay what the options say, and print the table; ends the process with status 2 where they make no sense."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        trace = _Trace(options)
        sizes = options.pool_size or ["1"]
        rows = [(size, replay(_plan(options, size, trace), trace.sessions())) for size in sizes]
    except (TraceError, SandboxError) as error:
        print(f"runtime-sandbox-server simulate: {error}", file=sys.stderr)
        sys.exit(2)
    if options.json:
        print(json.dumps([{"pool_size": size, **_figures(outcome)} for size, outcome in rows], indent=2))
        return
    print(f"{trace.summary()}\n")
    from_to = f" to {options.pool_max}" if options.hit_ratio else ""
    _print_table([HEADINGS, *(_row(f"{size}{from_to}", _figures(outcome)) for size, outcome in rows)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runtime-sandbox-server simulate", description=HELP)
    what = parser.add_argument_group("sessions, from a file or made up")
    what.add_argument(
        "--trace", type=Path, metavar="FILE", help="JSON lines or .csv with at, hold, and maybe type, user"
    )
    what.add_argument("--rate", type=_positive, help="sessions per second that come by chance")
    what.add_argument("--hold", type=_positive, default=60.0, help="mean seconds that each keeps its sandbox (60)")
    what.add_argument("--duration", type=_positive, default=3600.0, help="seconds of sessions to make up (3600)")
    what.add_argument("--type", type=plain_type, default="base", help="kind of the sessions that are made up (base)")
    what.add_argument("--seed", type=int, default=1, help="another one makes up other sessions (1)")
    pools = parser.add_argument_group("pools")
    pools.add_argument("--pool-size", nargs="+", metavar="SIZE", help="POOL_SIZE: free sandboxes to keep (1)")
    pools.add_argument(
        "--hit-ratio", type=_share, metavar="SHARE", help="POOL_HIT_RATIO: size them for this, e.g. 0.99"
    )
    pools.add_argument("--max", "--pool-max", dest="pool_max", default="20", help="POOL_MAX: most free ones then (20)")
    pools.add_argument(
        "--parallel", type=int, default=os.cpu_count() or 2, help="REFILL_PARALLEL (this machine's CPUs)"
    )
    pools.add_argument("--start", default="", metavar="SECONDS", help="of a start, e.g. base=1,browser=1.7")
    pools.add_argument("--memory", default="", metavar="SIZE", help="of one sandbox, e.g. base=100m (what it may use)")
    limits = parser.add_argument_group("limits; 0 is none")
    limits.add_argument("--max-instances", type=int, default=0, help="MAX_SANDBOX_INSTANCES")
    limits.add_argument("--max-per-user", type=int, default=0, help="MAX_SANDBOXES_PER_USER")
    limits.add_argument("--max-by-type", default="", help="MAX_SANDBOXES_BY_TYPE, e.g. browser=4")
    limits.add_argument("--max-memory", default="0", help="MAX_SANDBOX_MEMORY, e.g. 16g")
    limits.add_argument("--wait-s", type=float, default=0.0, help="seconds that callers wait for room (0)")
    limits.add_argument("--queue-length", type=int, default=100, help="QUEUE_LENGTH: places for them (100)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, in seconds and bytes")
    return parser


def _positive(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _share(text: str) -> float:
    if not 0 < (value := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share between 0 and 1")
    return value


@dataclass(slots=True)
class _Kind:
    sessions: int = 0
    held: float = 0.0


class _Trace:
    """The sessions, looked through once, so that what is wrong with them is known before anything is replayed."""

    def __init__(self, options: argparse.Namespace) -> None:
        if (options.trace is None) == (options.rate is None):
            raise TraceError("say either --trace FILE or --rate SESSIONS_PER_SECOND")
        self._options = options
        self.kinds: dict[str, _Kind] = {}
        first = last = None
        for at, hold, kind, _ in self.sessions():
            first, last = (at if first is None else first), at
            of_kind = self.kinds.setdefault(kind, _Kind())
            of_kind.sessions += 1
            of_kind.held += hold
        if first is None or last is None:
            raise TraceError("there is no session to replay")
        self._lasts = max(last - first, 1e-9)

    def sessions(self) -> Iterator[Arrival]:
        """Go through them, from the first."""
        said = self._options
        if said.trace is not None:
            return read(said.trace)
        return made_up(rate=said.rate, hold=said.hold, duration=said.duration, seed=said.seed, kind=said.type)

    def summary(self) -> str:
        """Say what they are."""
        lines = (
            f"{of.sessions:,} sessions ask for {kind} within {_span(self._lasts)}, "
            f"{of.sessions / self._lasts:.3g} a second, and keep it for {of.held / of.sessions:.0f} s on average"
            for kind, of in sorted(self.kinds.items())
        )
        return "\n".join(lines)


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 360 else f"{seconds:.3g} s"


def _plan(options: argparse.Namespace, size: str, trace: _Trace) -> Plan:
    kinds = trace.kinds.keys()
    starts = {kind: STARTS[kind] for kind in kinds if kind in STARTS} | _by_kind("--start", options.start, float, kinds)
    needs = _limits_of(kinds) | _by_kind("--memory", options.memory, parse_size, kinds)
    for what, known in (("--start", starts), ("--memory", needs)):
        if missing := sorted(kinds - known.keys()):
            raise TraceError(f"{missing[0]} is no kind that is known here: say {what} {missing[0]}=…, too")
    if options.parallel < 1:
        raise TraceError("--parallel has to be at least 1")
    most = _by_kind("--max", options.pool_max, int, kinds)
    if max(most.values(), default=0) > DEEPEST:
        raise TraceError(f"--max: a pool has at most {DEEPEST}")
    return Plan(
        bounds=Bounds(_by_kind("--pool-size", size, int, kinds), most, needs),
        starts=starts,
        share=options.hit_ratio,
        parallel=options.parallel,
        limits=Limits(
            total=options.max_instances,
            per_user=options.max_per_user,
            types=_by_kind("--max-by-type", options.max_by_type, int, kinds),
            memory=parse_size(options.max_memory),
        ),
        queue=options.queue_length,
        patience=options.wait_s,
    )


def _limits_of(kinds: Iterable[str]) -> dict[str, int]:
    known = SandboxRegistry.list_all_sandboxes()
    return {kind: known[kind].limits.memory for kind in kinds if kind in known}


def _by_kind(option: str, text: str, parse: Callable[[str], T], kinds: Iterable[str]) -> dict[str, T]:
    """Read `2` as that for every kind, or `base=2,browser=1`."""
    try:
        if text and "=" not in text:
            value = parse(text)
            found = dict.fromkeys(kinds, value)
        else:
            pairs = (part.partition("=") for part in text.split(",") if part.strip())
            found = {plain_type(name.strip()): parse(number) for name, _, number in pairs}
    except ValueError as error:
        raise TraceError(f"{option}: {text!r} is neither one value nor such as base=2,browser=1") from error
    if any(value < 0 for value in found.values()):
        raise TraceError(f"{option} cannot be negative")
    return found


def _figures(outcome: Outcome) -> dict[str, Any]:
    waits = sorted(outcome.waits)
    seconds = max(outcome.seconds, 1e-9)
    return {
        "sessions": outcome.sessions,
        "hit_ratio": outcome.hit_ratio,
        **{f"wait_p{p}": waits[min(len(waits) - 1, len(waits) * p // 100)] if waits else None for p in (50, 95, 99)},
        "wait_max": waits[-1] if waits else None,
        "refused": dict(outcome.refused),
        "starts": outcome.starts,
        "free": outcome.free_seconds / seconds,
        "most": outcome.most,
        "memory": outcome.memory_seconds / seconds,
        "memory_most": outcome.most_memory,
    }


def _row(size: str, of: Mapping[str, Any]) -> tuple[str, ...]:
    waits = (
        "-" if of[f"wait_{name}"] is None else f"{of[f'wait_{name}']:.2f} s" for name in ("p50", "p95", "p99", "max")
    )
    refused = Counter(of["refused"])
    return (
        size,
        f"{of['hit_ratio']:.2%}",
        *waits,
        ", ".join(f"{count:,} {why}" for why, count in refused.most_common()) or "0",
        f"{of['free']:.1f}",
        f"{of['most']:,}",
        f"{of['memory'] / GIB:.1f}",
        f"{of['memory_most'] / GIB:.1f}",
    )


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        print(f"{first:<{widths[0]}}", *cells, sep="   ")
