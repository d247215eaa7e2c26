"""The life of an application: stages, entered in order before it serves, and left in the opposite order at the end.

A stage is a context manager. One that fails to open fails the start, and those before it are left again: what was begun
is ended, exactly once. Users' own endings (`after_finish`, the shutdown hook) may fail without keeping the others from
their turn.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from enum import StrEnum
from typing import Any, Protocol

from fastapi import FastAPI

from agentscope_runtime.engine.errors import InvalidOption

logger = logging.getLogger(__name__)

Hook = Callable[..., Any]
"""A function of the application, async or not."""

Told = Mapping[str, Any] | None
"""What a user's lifespan yields: the state that each request gets."""

Stage = Callable[[Any], AbstractAsyncContextManager[Told]]
"""Part of a life, made for one application."""


class Phase(StrEnum):
    """Where an application is in its life."""

    STOPPED = "stopped"  #: not started yet, or over
    STARTING = "starting"  #: stages are entered
    READY = "ready"  #: all are; it serves
    STOPPING = "stopping"  #: stages are left


class Lifespan:
    """Runs an application through its stages, as often as it is started."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self.phase = Phase.STOPPED

    @asynccontextmanager
    async def __call__(self, app: FastAPI) -> AsyncIterator[Told]:
        """Live once.

        Raises:
            InvalidOption: it lives already; two servers need two applications.
        """
        if self.phase is not Phase.STOPPED:
            raise InvalidOption(f"{app.title} is {self.phase.value} already; a second server needs its own application")
        self.phase = Phase.STARTING
        try:
            async with AsyncExitStack() as stack:
                told: Told = None
                for stage in self._stages:
                    told = await stack.enter_async_context(stage(app)) or told
                self.phase = Phase.READY
                try:
                    yield told
                finally:
                    self.phase = Phase.STOPPING
        finally:
            self.phase = Phase.STOPPED


class Startable(Protocol):
    """What is started with an application and stopped with it."""

    async def start(self) -> None:
        """Start it."""
        ...

    async def stop(self) -> None:
        """Stop it."""
        ...


class Service(Startable, Protocol):
    """One that can be asked whether it runs."""

    async def health(self) -> bool:
        """Tell whether it was started and works."""
        ...


def hooks(before_start: Hook | None, after_finish: Hook | None) -> Stage:
    """Call one function before the application serves, and one after it did."""

    @asynccontextmanager
    async def stage(app: FastAPI) -> AsyncIterator[None]:
        if before_start is not None:
            await _call(before_start, app)
        try:
            yield
        finally:
            if after_finish is not None:
                with failure_logged("after_finish"):
                    await _call(after_finish, app)

    return stage


def serving(service: Startable, name: str) -> Stage:
    """Have a service run as long as the application."""

    @asynccontextmanager
    async def stage(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            with failure_logged(f"stopping {name}"):
                await service.stop()

    return stage


def kept(name: str, make: Callable[[], Awaitable[Service]]) -> Stage:
    """Keep a service under a name on the application's state, and running.

    One that somebody put there before is taken instead of making one; one that runs already is not touched.
    """

    @asynccontextmanager
    async def stage(app: FastAPI) -> AsyncIterator[None]:
        service: Service | None = getattr(app.state, name, None)
        if service is None:
            async with serving(made := await make(), name)(app):
                setattr(app.state, name, made)
                try:
                    yield
                finally:
                    if getattr(app.state, name, None) is made:
                        delattr(app.state, name)
        elif await service.health():
            yield
        else:
            async with serving(service, name)(app):
                yield

    return stage


@contextmanager
def failure_logged(what: str) -> Iterator[None]:
    """Log what an ending raises, so that the other endings come to their turn."""
    try:
        yield
    except Exception:  # the edge to users' code; nobody is left who could be told
        logger.exception("%s failed; the application ends all the same", what)


async def _call(hook: Hook, app: FastAPI) -> None:
    result = hook(app)
    if inspect.isawaitable(result):
        await result
