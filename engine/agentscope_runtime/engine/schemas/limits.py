"""How much a request may hold of anything: what is beyond is refused before time and memory are spent on it.

The size of a body is limited elsewhere (`settings`). Within it a client could still name a million things, each of
which is looked at, and told if it is wrong.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

MOST_CHARACTERS = 1024
"""How long an id may be, as services keep it (`services.keys`); it is part of keys and of every event."""


def limited(most: int) -> Any:
    """Describe a list of at most so many items, of which no more are looked at after the first that is wrong."""
    return Field(max_length=most, fail_fast=True)
