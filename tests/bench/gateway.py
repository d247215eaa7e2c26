"""Calls on kept connections: through the manager, and straight to a box, so that the gateway's own share shows."""

from __future__ import annotations

import asyncio
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.manager import Raw
from bench.report import Series
from managers import Server

from agentscope_runtime.sandbox_manager.lifespan import running
from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.states import LeaseKey, SandboxRecord

CELL = {"arguments": {"code": "1"}}


@contextmanager
def _lone_box() -> Iterator[SandboxRecord]:
    """Hold a sandbox whose address and token this process knows, as no client of a manager does."""
    leased: asyncio.Queue[SandboxRecord] = asyncio.Queue()
    ended = threading.Event()
    loop = asyncio.new_event_loop()

    async def hold() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with running(Settings(state_dir=Path(folder), pool_size=0)) as pool:
                lease = await pool.connect(LeaseKey("", "bench"), ["base"])
                await leased.put(lease.sandboxes[0])
                await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=loop.run_until_complete, args=[hold()])
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(leased.get(), loop).result(timeout=60)
    finally:
        ended.set()
        thread.join()


def cells(server: Server, n: int) -> list[Series]:
    """Measure `run_ipython_cell("1")` through the manager and straight to a box, in turn, and the difference."""
    through = Series('run_ipython_cell("1") through the manager', target=8)
    straight = Series('run_ipython_cell("1") straight to a box')
    share = Series("the gateway's own share of it (difference of neighbouring calls)", target=2)
    raw = Raw(server)
    sandbox = raw.connect("cells", "base")
    path = f"/v1/sandboxes/{sandbox}/tools/run_ipython_cell"
    with _lone_box() as box:
        assert box.address is not None
        connection = http.client.HTTPConnection(box.address.host, box.address.port, timeout=60)
        headers = {"Authorization": f"Bearer {box.token}", "Content-Type": "application/json"}
        body = json.dumps(CELL).encode()
        for number in range(n + 5):
            begin = time.perf_counter()
            raw.call("POST", path, CELL)
            middle = time.perf_counter()
            connection.request("POST", "/tools/run_ipython_cell", body, headers)
            answer = connection.getresponse()
            answer.read()
            end = time.perf_counter()
            assert answer.status == 200, answer.status
            if number >= 5:  # the first calls of a connection and a kernel are not what is asked here
                through.samples.append((middle - begin) * 1000)
                straight.samples.append((end - middle) * 1000)
                share.samples.append(through.samples[-1] - straight.samples[-1])
    raw.release("cells")
    return [through, straight, share]
