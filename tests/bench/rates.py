"""How fast real boxes come and go: the refill of a pool that sessions emptied, and the end of what was released."""

from __future__ import annotations

import time

from bench.manager import Raw
from bench.report import Series
from managers import Server

POOL = 8
RELEASED = 6


def base_boxes(rounds: int) -> list[Series]:
    """Measure a pool of base boxes that fills again, and boxes that are released at once."""
    refill = Series(f"refill after {RELEASED} sessions took base boxes", unit="boxes/s", target=1.5, at_least=True)
    gone = Series(f"{RELEASED} base boxes released at once → all gone", unit="s", target=2, target_p95=True)
    for _ in range(rounds):
        with Server.temporary(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE=str(POOL)) as server:
            raw = Raw(server)
            for number in range(RELEASED):
                raw.connect(f"s{number}", "base")
            begin = time.perf_counter()
            raw.wait_pool("base")
            refill.samples.append(RELEASED / (time.perf_counter() - begin))
            for number in range(RELEASED):
                raw.release(f"s{number}")
            begin = time.perf_counter()
            _until_left(server, POOL)
            gone.samples.append(time.perf_counter() - begin)
    return [refill, gone]


def _until_left(server: Server, containers: int, within: float = 120.0) -> None:
    give_up = time.monotonic() + within
    while len(server.containers()) > containers:
        if time.monotonic() > give_up:
            raise TimeoutError(f"there are more than {containers} containers after {within:g} s")
        time.sleep(0.02)
