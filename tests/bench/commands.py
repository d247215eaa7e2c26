"""How long what a command writes takes to its reader, through box, manager and client; and a whole short command."""

from __future__ import annotations

import time

from bench.report import Series
from managers import Server

from agentscope_runtime.sandbox import BaseSandbox

# Sandboxes and this process read the same clock. The command says when it is about to write.
WRITER = """
import os, time
for _ in range({n}):
    os.write(1, b"%.6f " % time.time())
    time.sleep(0.02)
"""
WARMING = 5


def streams(server: Server, n: int) -> list[Series]:
    """Measure each piece of output on its way to the client, and commands as a whole."""
    piece = Series("a streamed command's output, from being written to being read by the client", target=30)
    whole = Series('commands.run("true"), with its exit code')
    with BaseSandbox(base_url=server.url, bearer_token=server.key) as box:
        writer = box.commands.start(f"python3 -c '{WRITER.format(n=n + WARMING)}'", background=False, timeout=600)
        with writer.output() as output:
            for number, chunk in enumerate(output):
                latency = time.time() - float(chunk.data.split()[0])
                if number >= WARMING:
                    piece.samples.append(latency * 1000)
        for number in range(n + WARMING):
            begin = time.perf_counter()
            assert box.commands.run("true").exit_code == 0
            if number >= WARMING:
                whole.samples.append((time.perf_counter() - begin) * 1000)
    return [piece, whole]
