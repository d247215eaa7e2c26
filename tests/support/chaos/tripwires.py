"""Wires around a store or a backend: the process that comes to a named operation for the n-th time kills itself."""

from __future__ import annotations

import functools
import inspect
import os
import signal
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from agentscope_runtime.sandbox_manager.backends import Backend
from agentscope_runtime.sandbox_manager.stores import Store

T = TypeVar("T")
STEPS = ("create", "start", "started", "remove")
"""In the middle of an order: the engine process kills there (`chaos.engine`)."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A point at which a manager dies."""

    point: str
    """`store.claim`, `backend.remove`, or `engine.started`: in the middle of an order."""
    when: str
    """`before` or `after`; `in` the engine's step."""
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when} {self.point} #{self.nth}"


def _operations(protocol: type) -> list[str]:
    found = inspect.getmembers(protocol, inspect.iscoroutinefunction)
    return sorted(name for name, _ in found if not name.startswith("_") and name != "aclose")


def all_kills(nth: int = 1) -> list[Kill]:
    """Return every point that the protocols have now, each before and after, and the steps within the engine."""
    names = [f"store.{name}" for name in _operations(Store)] + [f"backend.{name}" for name in _operations(Backend)]
    around = [Kill(name, when, nth) for name in names for when in ("before", "after")]
    return [*around, *(Kill(f"engine.{step}", "in", nth) for step in STEPS)]


class Tripwire:
    """A store or a backend that is passed on as it is, but for the wire at one operation."""

    def __init__(self, target: Any, name: str, kill: Kill | None) -> None:
        self._target = target
        self._name = name
        self._kill = kill
        self._seen: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        kill, point = self._kill, f"{self._name}.{name}"
        if kill is None or kill.point != point or not callable(value):
            return value

        @functools.wraps(value)
        async def wired(*args: Any, **kwargs: Any) -> Any:
            self._seen[name] += 1
            here = self._seen[name] == kill.nth
            if here and kill.when == "before":
                die()
            try:
                return await value(*args, **kwargs)
            finally:
                if here and kill.when == "after":
                    die()

        return wired


def wired(target: T, name: str, kill: Kill | None) -> T:
    """Return `target` with the wire."""
    return target if kill is None else cast("T", Tripwire(target, name, kill))


def die() -> None:
    """End this process as nothing can be caught that would."""
    os.kill(os.getpid(), signal.SIGKILL)
