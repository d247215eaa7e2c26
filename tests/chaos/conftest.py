"""What chaos tests are run with: `make chaos DURATION=600 SEED=7` runs longer ones, and one again."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def seed() -> int:
    """What the dice are made of; another one at each run, unless CHAOS_SEED names it."""
    given = os.environ.get("CHAOS_SEED")
    return int(given) if given else random.SystemRandom().randrange(10**6)


@pytest.fixture
def duration() -> float:
    """Seconds that a test kills at random."""
    return float(os.environ.get("CHAOS_DURATION") or 8)
