"""Claims by the hundred: how fast, how evenly, and whether the manager's event loop ever stands still for them.

Boxes are fake and live in a process of their own, so what is measured is the manager. Whoever asks is this process, on
the other core. Refilling and removing go on meanwhile, as they do in earnest.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from bench.report import Series
from chaos import engine, manager, processes
from chaos.manager_process import ManagerProcess
from managers import free_port
from redis_server import RedisServer

CALLERS = 32
BURST = 100
WARM = 600
HEADERS = {"Authorization": f"Bearer {manager.KEY}"}


class Callers:
    """Many callers on kept connections to one manager."""

    def __init__(self, http: aiohttp.ClientSession, url: str, lag: Path) -> None:
        self._http = http
        self._url = url
        self._lag = lag

    async def connect(self, session: str) -> float:
        """Lease a sandbox; return the milliseconds that it took."""
        body = {"session_id": session, "sandbox_types": ["base"]}
        begin = time.perf_counter()
        async with self._http.post(f"{self._url}/v1/leases", json=body, headers=HEADERS) as answer:
            if answer.status != 200:
                raise RuntimeError(await answer.text())
            await answer.read()
        return (time.perf_counter() - begin) * 1000

    async def release(self, session: str) -> None:
        """Give back what a session holds."""
        url = f"{self._url}/v1/leases?session_id={session}"
        async with self._http.delete(url, headers=HEADERS) as answer:
            await answer.read()

    async def full(self, target: int, within: float = 120.0) -> None:
        """Wait until the pool is full, and nothing starts or stops."""
        async with asyncio.timeout(within):
            while True:
                async with self._http.get(f"{self._url}/v1/pool", headers=HEADERS) as answer:
                    base = (await answer.json())["types"]["base"]
                if base["ready"] >= target and not base["starting"] and not base["stopping"]:
                    return
                await asyncio.sleep(0.1)

    async def claims(self, sessions: Iterable[str]) -> float:
        """Let all callers connect these sessions; return the claims a second."""
        left = iter(sessions)
        count = 0

        async def call() -> None:
            nonlocal count
            for session in left:
                await self.connect(session)
                count += 1

        begin = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(CALLERS)))
        return count / (time.perf_counter() - begin)

    def longest_block(self) -> float:
        """Return the milliseconds that the manager's loop once stood still, since this was asked last."""
        found = max((float(line) for line in self._lag.read_text().split()), default=0.0)
        self._lag.write_text("")
        return found * 1000


@asynccontextmanager
async def _served(pool: int, redis: str | None) -> AsyncIterator[Callers]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        socket, lag = folder / "engine.sock", folder / "lag"
        lag.touch()
        boxes = processes.start(engine.main, str(socket), 0, folder / "engine.log")
        settings = {"pool_size": pool, **({"redis_url": redis} if redis else {})}
        plan = manager.Plan(folder, free_port(), str(socket), settings=settings, shorter={}, lag=lag, level="WARNING")
        one = ManagerProcess(plan)
        connector = aiohttp.TCPConnector(limit=0)
        try:
            one.start()
            async with aiohttp.ClientSession(connector=connector) as http:
                await _answers(http, one)
                callers = Callers(http, one.url, lag)
                await callers.full(pool)
                yield callers
        finally:
            one.end()
            processes.finish(boxes)


async def _answers(http: aiohttp.ClientSession, one: ManagerProcess) -> None:
    async with asyncio.timeout(30):
        while one.lives:
            try:
                async with http.get(f"{one.url}/liveness"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise RuntimeError(f"the manager ended:\n{one.log()}")


async def _measured(n: int, store: str, redis: str | None) -> list[Series]:
    on = f", {store}"
    speed = Series(f"claims over HTTP{on}", unit="claims/s", target=500 if redis is None else None, at_least=True)
    warm = Series(f"warm connect (fake box){on}", target=7 if redis else 5)
    warm_p95 = Series(f"warm connect (fake box){on}, p95", target=25 if redis else 20, target_p95=True)
    burst = Series(f"{BURST} connects at once on {BURST} warm boxes{on}", target=200, target_p95=True)
    block = Series(f"longest standstill of the manager's event loop meanwhile{on}", target=50, target_p95=True)
    async with _served(WARM, redis) as callers:
        callers.longest_block()  # the start is not what is asked here
        for number in range(max(3, n // 40)):
            sessions = [f"claims-{number}-{each}" for each in range(WARM // 2)]
            speed.samples.append(await callers.claims(sessions))
            block.samples.append(callers.longest_block())
            await asyncio.gather(*map(callers.release, sessions))
            await callers.full(WARM)
        for number in range(n):
            warm.samples.append(await callers.connect(f"warm-{number}"))
            await callers.release(f"warm-{number}")
            await asyncio.sleep(0.02)
    async with _served(BURST, redis) as callers:
        callers.longest_block()
        for number in range(max(3, n // 20)):
            sessions = [f"burst-{number}-{each}" for each in range(BURST)]
            burst.samples += await asyncio.gather(*map(callers.connect, sessions))
            block.samples.append(callers.longest_block())
            await asyncio.gather(*map(callers.release, sessions))
            await callers.full(BURST)
    warm_p95.samples = warm.samples
    return [speed, warm, warm_p95, burst, block]


def claims(n: int) -> list[Series]:
    """Measure claims from full pools, with the store in memory and in Redis."""
    found = asyncio.run(_measured(n, "memory", None))
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
        found += asyncio.run(_measured(n, "Redis", redis.url))
    return found
