"""Replacing methods of foreign classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentscope_runtime.adapters.agentscope.replacing import replace_once


class Bell:
    """Something foreign."""

    def ring(self) -> str:
        """Ring the bell."""
        return "dong"


def twice(ring: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method that does it twice."""
    return lambda self: ring(self) * 2


def test_a_method_is_replaced_once() -> None:
    """However often it is asked for; it looks as it did."""
    for _ in range(2):
        replace_once(Bell, "ring", twice)
    assert Bell().ring() == "dongdong"
    assert (Bell.ring.__name__, Bell.ring.__doc__) == ("ring", "Ring the bell.")
