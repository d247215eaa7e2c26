"""Wires in stores and around backends: the process that comes to a named operation for the n-th time kills itself."""

from __future__ import annotations

import functools
import inspect
import os
import signal
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from aiodocker.containers import DockerContainer, DockerContainers

from agentscope_runtime.sandbox_manager.backends import Backend
from agentscope_runtime.sandbox_manager.backends.docker_console import Console
from agentscope_runtime.sandbox_manager.stores import Store
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.stores.redis.store import RedisStore

STEPS = ("create", "start", "started", "remove")
"""In the middle of an order: the engine process kills there (`chaos.engine`)."""
STORES = (MemoryStore, RedisStore)
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
    """A backend that is passed on as it is, but for the wire at one operation."""

    def __init__(self, target: Any, kill: Kill) -> None:
        self._target = target
        self._kill = kill
        self._seen: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if self._kill.point != f"backend.{name}" or not callable(value):
            return value
        return _wired_call(value, self._kill, self._seen)


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


def lay(kill: Kill | None) -> None:
    """Lay the wire around an operation of the stores, or a call to the Docker Engine, if that is where to die."""
    if kill is None:
        return
    noun, _, verb = kill.point.partition(".")
    places: list[tuple[type, str]] = [(store, verb) for store in STORES] if noun == "store" else []
    if kill.point in DOCKER_CALLS:
        places.append(DOCKER_CALLS[kill.point])
    seen: Counter[str] = Counter()
    for owner, name in places:
        setattr(owner, name, _wired_call(getattr(owner, name), kill, seen))


def wired(backend: Backend, kill: Kill | None) -> Backend:
    """Return the backend with the wire."""
    return backend if kill is None else cast("Backend", Tripwire(backend, kill))


def die() -> None:
    """End this process as nothing can be caught that would."""
    os.kill(os.getpid(), signal.SIGKILL)
