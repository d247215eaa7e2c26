"""Managers that share a pool in Redis: whichever is killed, stopped or misled, leases stay, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest
from chaos.rounds import all_is_well, everybody_runs, kill_at_all, kill_for
from chaos.tripwires import all_kills
from chaos.world import shared
from redis_server import RedisServer

pytestmark = pytest.mark.slow

LONG = bool(os.environ.get("CHAOS_DURATION"))
POINTS = 1000 if LONG else 16
"""Points at which one run kills: all of them by `make chaos`."""
SILENCE = 2.5
"""Seconds that prove a death, and end a leadership, with the shorter times of these tests."""


async def test_killed_at_every_point(tmp_path: Path, redis: RedisServer, seed: int) -> None:
    """Sessions keep what they hold, whoever is killed, and use it through the other."""
    kills = all_kills()
    random.Random(seed).shuffle(kills)  # noqa: S311 - dice, no secret
    async with shared(tmp_path, redis, seed) as w:
        await kill_at_all(w, kills[:POINTS], look_every=8, within=SILENCE)


async def test_killed_at_random(tmp_path: Path, redis: RedisServer, seed: int, duration: float) -> None:
    """One of them, wherever it happens to be; the other one serves."""
    async with shared(tmp_path, redis, seed) as w:
        await kill_for(w, duration)


async def test_a_leader_that_was_stopped_finds_another(tmp_path: Path, redis: RedisServer, seed: int) -> None:
    """It goes on where it was, after it was taken for dead and another leads: it may not do what leaders do."""
    async with shared(tmp_path, redis, seed) as w:
        await everybody_runs(w)
        for number in range(6 if LONG else 2):
            one = w.managers[number % 2]
            async with w.busy():
                await asyncio.sleep(0.3)
                w.note("SIGSTOP of a manager")
                one.kill(signal.SIGSTOP)
                await asyncio.sleep(SILENCE)
                one.kill(signal.SIGCONT)
                await asyncio.sleep(0.3)
            await w.settle()
        await all_is_well(w)


async def test_redis_stands_still(tmp_path: Path, redis: RedisServer, seed: int) -> None:
    """Nobody is taken for dead, and nothing for idle, because nothing was heard."""
    async with shared(tmp_path, redis, seed) as w:
        await everybody_runs(w)
        async with w.busy():
            await asyncio.sleep(0.5)
            w.note("SIGSTOP of Redis")
            redis.pause()
            await asyncio.sleep(SILENCE)
            redis.resume()
            await asyncio.sleep(0.5)
        await all_is_well(w)


async def test_redis_comes_back_empty(tmp_path: Path, redis: RedisServer, seed: int) -> None:
    """Leases are rebuilt from what the boxes remember, also by managers that were started since."""
    async with shared(tmp_path, redis, seed) as w:
        await everybody_runs(w)
        await w.everybody_connects()
        await asyncio.sleep(1.0)  # until the boxes have their notes: they are written in the background
        for restarted in (False, True):
            w.note(f"Redis, which loses everything{', and all managers' * restarted}")
            redis.restart()
            for one in w.managers if restarted else ():
                one.start()
            await everybody_runs(w)
            await w.settle()
            for session in w.sessions:
                assert await session.use(), session.held
        await all_is_well(w)


async def test_clocks_jump(tmp_path: Path, redis: RedisServer, seed: int) -> None:
    """An hour ahead is no hour without use."""
    async with shared(tmp_path, redis, seed) as w:
        await everybody_runs(w)
        async with w.busy():
            for sign in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR2, signal.SIGUSR1):
                w.note(f"the clock of a manager, by {sign.name}")
                w.dice.choice(w.managers).kill(sign)
                await asyncio.sleep(0.5)
        await all_is_well(w)
