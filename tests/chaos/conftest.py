"""What chaos tests are run with: `make chaos DURATION=600 SEED=7` runs longer ones, and one again."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import RedisServer


@pytest.fixture
def seed() -> int:
    """What the dice are made of; another one at each run, unless CHAOS_SEED names it."""
    given = os.environ.get("CHAOS_SEED")
    return int(given) if given else random.SystemRandom().randrange(10**6)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that a test may stop."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def duration() -> float:
    """Seconds that a test kills at random."""
    return float(os.environ.get("CHAOS_DURATION") or 8)
