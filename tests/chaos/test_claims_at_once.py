"""Sessions that ask at the same time, at several managers: no sandbox is ever given to two of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.claimers import Race, raced
from redis_server import RedisServer
from stores import declare_whole

pytestmark = pytest.mark.slow

CLAIMS = 100_000 if os.environ.get("CHAOS_DURATION") else 4_000
"""Of all processes together."""
WITHIN = CLAIMS / 50


async def test_one_manager(tmp_path: Path, seed: int) -> None:
    """Its store in memory is one piece between two turns of the loop."""
    done = await raced(Race("m1", seed, CLAIMS, tmp_path / "m1"), within=WITHIN)
    print(f"seed {seed}: {dict(done)}")
    assert sum(done.values()) >= CLAIMS
    assert done["leases"] > CLAIMS / 2


async def test_two_managers(tmp_path: Path, seed: int, redis_server: RedisServer) -> None:
    """They share a store in Redis, and sessions ask both of them."""
    await declare_whole(redis_server.url, "race")
    races = [
        Race(f"m{number}", seed + number, CLAIMS // 2, tmp_path / f"m{number}", redis=redis_server.url)
        for number in (1, 2)
    ]
    done = await raced(*races, within=WITHIN)
    print(f"seed {seed}: {dict(done)}")
    assert done["leases"] > CLAIMS / 2
