"""Wires around a store or a backend: the process that comes to a named operation for the n-th time kills itself."""

from __future__ import annotations

import functools
import inspect
import os
import signal
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from aiodocker.containers import DockerContainer, DockerContainers

from agentscope_runtime.sandbox_manager.backends import Backend
from agentscope_runtime.sandbox_manager.backends.docker_console import Console
from agentscope_runtime.sandbox_manager.stores import Store

T = TypeVar("T")
STEPS = ("create", "start", "started", "remove")
"""In the middle of an order: the engine process kills there (`chaos.engine`)."""
DOCKER_CALLS: dict[str, tuple[type, str]] = {
    "docker.create": (DockerContainers, "create"),
    "docker.attach": (Console, "attach"),
    "docker.say": (Console, "say"),
    "docker.start": (DockerContainer, "start"),
    "docker.show": (DockerContainer, "show"),
    "docker.delete": (DockerContainer, "delete"),
}
"""What a start and a removal consist of on the real engine."""


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


def docker_kills() -> list[Kill]:
    """Return the points within a start and a removal on the real engine."""
    return [Kill(point, when) for point in DOCKER_CALLS for when in ("before", "after")]


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

        return _wired_call(value, kill, self._seen)


def _wired_call(call: Any, kill: Kill, seen: Counter[str]) -> Any:
    @functools.wraps(call)
    async def wired(*args: Any, **kwargs: Any) -> Any:
        seen[kill.point] += 1
        here = seen[kill.point] == kill.nth
        if here and kill.when == "before":
            die()
        try:
            return await call(*args, **kwargs)
        finally:
            if here and kill.when == "after":
                die()

    return wired


def wire_docker(kill: Kill | None) -> None:
    """Lay the wire around one call to the Docker Engine, if that is where this process is to die."""
    if kill is not None and kill.point in DOCKER_CALLS:
        owner, name = DOCKER_CALLS[kill.point]
        setattr(owner, name, _wired_call(getattr(owner, name), kill, Counter()))


def wired(target: T, name: str, kill: Kill | None) -> T:
    """Return `target` with the wire."""
    return target if kill is None else cast("T", Tripwire(target, name, kill))


def die() -> None:
    """End this process as nothing can be caught that would."""
    os.kill(os.getpid(), signal.SIGKILL)
