"""One gibibyte into a box and out of it: through the manager, through a bare relay to the same box, and by `box.fs`."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import Series
from managers import ROOT

from agentscope_runtime.sandbox import BaseSandbox

SIZE = 1 << 30
BLOCK = os.urandom(1 << 20)
MB = 1e6
MIB = 1 << 20
FILE = "files/content?path=bench.bin"


@dataclass
class Way:
    """A server that leads to the box's file, and what was measured on it."""

    name: str
    port: int
    path: str
    headers: dict[str, str]
    target: float | None = None
    up: Series = field(init=False)
    down: Series = field(init=False)

    def __post_init__(self) -> None:
        self.up, self.down = (
            Series(f"{what} of 1 GiB {self.name}", unit="MB/s", target=self.target, at_least=True)
            for what in ("upload", "download")
        )

    def upload(self) -> None:
        """Send the file."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.putrequest("PUT", self.path)
        for name, value in {**self.headers, "Content-Length": str(SIZE)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        for _ in range(SIZE // len(BLOCK)):
            connection.send(BLOCK)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        connection.close()

    def download(self) -> None:
        """Fetch the file."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request("GET", self.path, headers=self.headers)
        answer = connection.getresponse()
        buffer, size = bytearray(1 << 20), 0
        while count := answer.readinto(buffer):
            size += count
        assert (answer.status, size) == (200, SIZE)
        connection.close()

    def measure(self) -> None:
        """Take one sample of each."""
        self.up.samples.append(_speed(self.upload))
        self.down.samples.append(_speed(self.download))


def transfers(n: int) -> list[Series]:
    """Measure `n` transfers each way on each way, in turn, what the manager's memory grows by, and `box.fs`."""
    with tempfile.TemporaryDirectory() as folder, _process("files_manager", folder) as (manager, words):
        told = json.loads(words)
        with _process("files_relay", *map(str, told["box"])) as (_, port):
            relay = Way("through a bare aiohttp relay", int(port), "/?path=bench.bin", {})
            key = {"Authorization": f"Bearer {told['key']}"}
            path = f"/v1/sandboxes/{told['sandbox_id']}/{FILE}"
            through = Way("through the manager", told["port"], path, key, target=100)
            relay.measure()  # the first writes of a file are to new blocks of the disk
            for series in (relay.up, relay.down):
                series.samples.clear()
            before = _memory(manager.pid, "VmRSS")
            for _ in range(n):
                relay.measure()
                through.measure()
            growth = Series("growth of the manager's memory by these transfers, at most", unit="MiB", target=64)
            growth.samples.append(_memory(manager.pid, "VmHWM") - before)
        with BaseSandbox(told["sandbox_id"], f"http://127.0.0.1:{told['port']}", told["key"]) as box:
            sdk = _sdk(box, n, Path(folder))
    shares = [_share("uploads", through.up, relay.up), _share("downloads", through.down, relay.down)]
    return [through.up, through.down, *shares, growth, relay.up, relay.down, *sdk]


def _sdk(box: BaseSandbox, n: int, folder: Path) -> list[Series]:
    up = Series("box.fs.upload of 1 GiB", unit="MB/s", target=100, at_least=True)
    down = Series("box.fs.download of 1 GiB", unit="MB/s", target=100, at_least=True)
    local = folder / "bench.bin"
    with local.open("wb") as file:
        for _ in range(SIZE // len(BLOCK)):
            file.write(BLOCK)
    for _ in range(n):
        up.samples.append(_speed(lambda: box.fs.upload(local, "bench.bin")))
        down.samples.append(_speed(lambda: box.fs.download("bench.bin", local)))
    return [up, down]


def _share(what: str, mine: Series, bare: Series) -> Series:
    share = Series(f"{what} through the manager, as a share of the relay's", unit="%", target=60, at_least=True)
    share.samples = [100 * one / other for one, other in zip(mine.samples, bare.samples, strict=True)]
    return share


def _speed(transfer: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    transfer()
    return SIZE / MB / (time.perf_counter() - begin)


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a module of the benchmarks while the block runs; with the line that it prints when it serves."""
    paths = os.pathsep.join(str(ROOT / part) for part in ("client", "engine", "sandbox_manager", "tests"))
    process = subprocess.Popen(
        [sys.executable, "-m", f"bench.{module}", *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _memory(pid: int, what: str) -> float:
    """Return the memory of a process in MiB: `VmRSS`, what it holds, or `VmHWM`, the most that it held."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024 / MIB
    raise RuntimeError(f"process {pid} has no {what}")
