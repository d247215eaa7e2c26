"""The dictionary that forgets."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest
from served_manager import Clock

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.services.shelf import OVERHEAD, Shelf


@dataclass
class Box:
    """Has a size."""

    size: int = 0


def test_what_nobody_uses_is_forgotten() -> None:
    """To the second; each look is a use."""
    clock = Clock()
    shelf: Shelf[Box] = Shelf(ttl_seconds=10, max_bytes=10**6, clock=clock)
    for name in ("used", "unused"):
        shelf.put(("u", name), Box())
    clock.now += 9.9
    assert shelf.get(("u", "used")) is not None
    assert shelf.keys() == [("u", "unused"), ("u", "used")]
    clock.now += 0.1
    assert shelf.get(("u", "unused")) is None
    clock.now += 9.8
    assert shelf.keys() == [("u", "used")]
    clock.now += 0.1
    assert shelf.keys() == []


def test_without_a_time_nothing_is_forgotten() -> None:
    """However long it takes."""
    clock = Clock()
    shelf: Shelf[Box] = Shelf(ttl_seconds=None, max_bytes=10**6, clock=clock)
    shelf.put(("u", "s"), Box())
    clock.now += 10**9
    assert shelf.get(("u", "s")) == Box()


def test_a_full_shelf_forgets_what_was_not_used_for_longest(caplog: pytest.LogCaptureFixture) -> None:
    """By bytes; the operator is told once."""
    shelf: Shelf[Box] = Shelf(ttl_seconds=None, max_bytes=3 * (OVERHEAD + 100))
    for name in ("a", "b", "c"):
        shelf.put(("u", name), Box(100))
    assert shelf.get(("u", "a")) is not None
    with caplog.at_level(logging.DEBUG, "agentscope_runtime"):
        shelf.put(("u", "d"), Box(100))
        shelf.put(("u", "e"), Box(100))
    assert shelf.keys() == [("u", "a"), ("u", "d"), ("u", "e")]
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG"]
    assert "dropped ('u', 'b')" in caplog.text


def test_what_grows_takes_more_room() -> None:
    """Putting it again counts its new size, and only that; the last one always stays."""
    shelf: Shelf[Box] = Shelf(ttl_seconds=None, max_bytes=2 * OVERHEAD + 100)
    box = Box(10)
    shelf.put(("u", "other"), Box(10))
    for size in (20, 40, 80, 90):
        box.size = size
        shelf.put(("u", "s"), box)
    assert len(shelf.keys()) == 2
    box.size = 91
    shelf.put(("u", "s"), box)
    assert shelf.keys() == [("u", "s")]
    shelf.put(("u", "huge"), Box(10**9))
    assert shelf.keys() == [("u", "huge")]
    assert shelf.drop(("u", "huge"))
    assert not shelf.drop(("u", "huge"))
    shelf.put(("u", "s"), box)
    shelf.put(("u", "t"), Box(9))
    assert len(shelf.keys()) == 2


@pytest.mark.parametrize(("ttl", "size"), [(0, 1), (-1, 1), (1, 0)])
def test_a_shelf_that_keeps_nothing_is_refused(ttl: float, size: int) -> None:
    """At once, and not at the first thing that is lost."""
    with pytest.raises(InvalidOption, match="must be more than 0"):
        Shelf(ttl_seconds=ttl, max_bytes=size)
