"""Streams of an agent in a server process of its own, read over a real socket: what a delta costs, and its way.

Costs are CPU seconds of the whole server process, what uvicorn, FastAPI and the garbage collector use included.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from bench.report import Series
from managers import ROOT, eventually, free_port

DELTAS = 8_000
MANY_DELTAS = 1_000_000
STREAMS = 200
PAUSE_S = 0.02
"""Between two deltas of one of many streams: the pace of a quick model."""

STAMP = re.compile(rb'"delta":true,[^{}]*"text":"(\d+) "')


class Agent:
    """The server process."""

    def __init__(self, port: int) -> None:
        self.port = port

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Agent]:
        """Run one while the block runs."""
        agent = cls(free_port())
        paths = os.pathsep.join(str(ROOT / part) for part in ("client", "engine", "sandbox_manager", "tests"))
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.streaming_app", str(agent.port)], env={**os.environ, "PYTHONPATH": paths}
        )
        try:
            eventually(lambda: process.poll() is not None or agent.answers(), 30, "the agent's server answers")
            yield agent
        finally:
            process.terminate()
            process.wait()

    def answers(self) -> bool:
        """Say whether it is ready."""
        try:
            self.figures()
        except OSError:
            return False
        return True

    def figures(self) -> dict[str, Any]:
        """Return what it says of itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/figures")
        figures: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return figures

    def ask(self, count: int, **options: Any) -> http.client.HTTPResponse:
        """Ask for so many deltas, and return the answer when its head is there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/process", request(count, **options), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return answer


def request(count: int, **options: Any) -> bytes:
    """Return the body of a request for so many deltas."""
    return json.dumps({"input": [{"role": "user", "content": "speak"}], "count": count, **options}).encode()


def read(answer: http.client.HTTPResponse) -> list[tuple[int, bytes]]:
    """Read an answer to its end; return its pieces, and when they came."""
    pieces = []
    while piece := answer.read1(1 << 18):
        pieces.append((time.monotonic_ns(), piece))
    assert pieces[-1][1].endswith(b"data: [DONE]\n\n"), pieces[-1]
    return pieces


def delays(pieces: list[tuple[int, bytes]]) -> list[float]:
    """Return for each delta the milliseconds from the handler's `yield` to its arrival here."""
    whole = b"".join(piece for _, piece in pieces)
    ends, end = [], 0
    for at, piece in pieces:
        end += len(piece)
        ends.append((end, at))
    arrivals = iter(ends)
    end, at = next(arrivals)
    found = []
    for stamp in STAMP.finditer(whole):
        while stamp.end() > end:
            end, at = next(arrivals)
        found.append((at - int(stamp[1])) / 1e6)
    return found


def one_stream(agent: Agent, n: int) -> list[Series]:
    """Measure streams of 8 000 deltas, one after the other, as fast as they come."""
    cost = Series(f"server CPU per delta, a stream of {DELTAS}", unit="µs", target=25)
    longest = Series("the longest way of a delta in such a stream, yield → client", target=5)
    for number in range(n + 1):
        before = agent.figures()["cpu"]
        read(agent.ask(DELTAS))
        after = agent.figures()["cpu"]
        found = delays(read(agent.ask(DELTAS, stamp=True)))
        assert len(found) == DELTAS, len(found)
        if number:  # the first one loads what is loaded late
            cost.samples.append((after - before) / DELTAS * 1e6)
            longest.samples.append(max(found))
    return [cost, longest]


def long_stream(agent: Agent) -> Series:
    """Measure how the memory grows over a million deltas, the text that they add up to included."""
    marks = range(MANY_DELTAS // 10, MANY_DELTAS, MANY_DELTAS // 10)
    answer = agent.ask(MANY_DELTAS, weigh=list(marks))
    while answer.read1(1 << 18):  # kept by nobody
        pass
    memory = {int(mark): size for mark, size in agent.figures()["memory"].items()}
    growth = Series(f"memory per delta, a stream of {MANY_DELTAS:,}", unit="B", target=16)
    growth.samples = [(memory[after] - memory[before]) / (after - before) for before, after in pairwise(marks)]
    return growth


def held(agent: Agent) -> Series:
    """Measure how far an agent comes whose client reads nothing: buffers fill up, and then it waits."""
    ahead = Series("deltas made for a client that reads nothing, until the agent waits", unit="deltas")
    before = made = agent.figures()["made"]
    answer = agent.ask(MANY_DELTAS)
    seen = -1
    while made != seen:
        seen = made
        time.sleep(0.5)
        made = agent.figures()["made"]
    ahead.samples.append(made - before)
    answer.close()
    return ahead


def many_streams(agent: Agent, rounds: int) -> list[Series]:
    """Measure 200 streams at once, each at the pace of a quick model."""
    deltas = 100
    pace = f"{STREAMS} streams at once, {1 / PAUSE_S:g} deltas a second each"
    longest = Series(f"the longest way of a delta in each of {pace}", target=25)
    cost = Series(f"server CPU per delta, {pace}", unit="µs")
    for _ in range(rounds):
        before = agent.figures()["cpu"]
        streams = asyncio.run(_all_streams(agent.port, request(deltas, pause=PAUSE_S, stamp=True)))
        cost.samples.append((agent.figures()["cpu"] - before) / (STREAMS * deltas) * 1e6)
        for pieces in streams:
            found = delays(pieces)
            assert len(found) == deltas, len(found)
            longest.samples.append(max(found))
    return [longest, cost]


async def _all_streams(port: int, body: bytes) -> list[list[tuple[int, bytes]]]:
    return await asyncio.gather(*(_stream(port, body) for _ in range(STREAMS)))


async def _stream(port: int, body: bytes) -> list[tuple[int, bytes]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /process HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
    pieces = []
    while piece := await reader.read(1 << 18):
        pieces.append((time.monotonic_ns(), piece))
    writer.close()
    assert b"data: [DONE]" in pieces[-1][1], pieces[-1]
    return pieces


def streams(n: int) -> list[Series]:
    """Measure everything about streams."""
    with Agent.running() as agent:
        return [*one_stream(agent, n), *many_streams(agent, max(3, n // 4)), held(agent), long_stream(agent)]
