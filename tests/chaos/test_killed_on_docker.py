"""Managers killed on the real engine: their undertakers, their boxes' watchdogs and their successors leave nothing."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from chaos.rounds import all_is_well, kill_at_all, kill_at_random
from chaos.tripwires import all_kills, docker_kills
from chaos.world import shared, world
from redis_server import RedisServer

pytestmark = [pytest.mark.docker, pytest.mark.slow]

KILLS = 100 if os.environ.get("CHAOS_DURATION") else 6
"""By `make chaos`, and among the other tests: each takes a second or two."""
REACHED_WITHIN = 8.0


async def test_killed_within_starts_and_removals(tmp_path: Path, seed: int) -> None:
    """Between any two calls to the engine, and at operations of the store; half of all kills are at random."""
    dice = random.Random(seed)  # noqa: S311 - dice, no secret
    operations = [kill for kill in all_kills() if kill.when != "in"]
    kills = [*dice.sample(docker_kills(), k=len(docker_kills())), *dice.sample(operations, k=len(operations))]
    kills = kills[: KILLS // 2]
    async with world(tmp_path, seed=seed, real=True, pool={"base": 1}, sessions=2) as w:
        await kill_at_all(w, kills, look_every=10, within=REACHED_WITHIN)
        for number in range(1, KILLS - len(kills) + 1):
            await kill_at_random(w, w.managers[0], longest=2.0)
            if not number % 10:
                await all_is_well(w)
        await all_is_well(w)
        w.managers[0].kill()
        await w.managers[0].died(5.0)
        await w.empty(within=30.0)


async def test_leases_outlive_the_manager_that_was_killed(tmp_path: Path, redis: RedisServer, seed: int) -> None:
    """Two managers share a pool on the real engine: sessions find in their boxes what they left there."""
    async with shared(tmp_path, redis, seed, real=True, pool={"base": 1}, sessions=2) as w:
        for _ in range(KILLS // 2):
            await kill_at_random(w, w.dice.choice(w.managers), longest=2.0)
        await all_is_well(w)
