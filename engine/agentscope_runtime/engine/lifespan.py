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
from typing import Any

from fastapi import FastAPI

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.runs import Runs
from agentscope_runtime.engine.services.base import Service

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


def around(start: Hook | None, end: Hook | None, name: str) -> Stage:
    """Call one function with the application at the start, and one at the end.

    Args:
        start: What it raises fails the start.
        end: What it raises is logged.
        name: What the log calls the end.
    """

    @asynccontextmanager
    async def stage(app: FastAPI) -> AsyncIterator[None]:
        if start is not None:
            await _call(start, app)
        try:
            yield
        finally:
            if end is not None:
                with _failure_logged(name):
                    await _call(end, app)

    return stage


def kept(name: str, make: Callable[[], Awaitable[Service]]) -> Stage:
    """Keep a service under a name on the application's state, and running.

    One that somebody put there before is taken instead of making one; one that runs already is not touched.
    """

    @asynccontextmanager
    async def stage(app: FastAPI) -> AsyncIterator[None]:
        found: Service | None = getattr(app.state, name, None)
        if found is not None and await found.health():
            yield
            return
        service = found or await make()
        async with around(lambda app: service.start(), lambda app: service.stop(), f"stopping {name}")(app):
            setattr(app.state, name, service)
            try:
                yield
            finally:
                if found is None and getattr(app.state, name, None) is service:
                    delattr(app.state, name)

    return stage


def stages(runner: Runner, runs: Runs, load: Callable[[], Awaitable[None]], native: Stage) -> list[Stage]:
    """Return what happens at the start of an `AgentApp`, in this order, and at the end, in the opposite one.

    Args:
        runner: What handlers get as `self`.
        runs: Where they run.
        load: Imports their frameworks.
        native: What FastAPI does, the user's lifespan in it.
    """
    return [
        *services(),
        around(None, lambda app: runs.aclose(), "closing the interrupt backend"),
        around(lambda app: load(), None, "the adapters"),
        around(lambda app: runner.start(), lambda app: runner.stop(), "the shutdown hook"),
        around(lambda app: _own(app.before_start, app), lambda app: _own(app.after_finish, app), "after_finish"),
        native,
        # First at the end: handlers use what the application's lifespan holds.
        around(None, lambda app: runs.stop_all(), "stopping the runs"),
    ]


def _own(hook: Hook | None, app: FastAPI) -> Any:
    return None if hook is None else hook(app)


def services() -> list[Stage]:
    """Return the stages of the services that handlers find on `app.state`, chosen by the environment."""
    return [kept("state_service", _state_service), kept("session_service", _session_service)]


async def _state_service() -> Service:
    from agentscope_runtime.engine.services.agent_state import StateServiceFactory

    return await StateServiceFactory.create()


async def _session_service() -> Service:
    from agentscope_runtime.engine.services.session_history import SessionHistoryServiceFactory

    return await SessionHistoryServiceFactory.create()


@contextmanager
def _failure_logged(what: str) -> Iterator[None]:
    """Log what an ending raises, so that the other endings come to their turn."""
    try:
        yield
    except Exception:  # the edge to users' code; nobody is left who could be told
        logger.exception("%s failed; the application ends all the same", what)


async def _call(hook: Hook, app: FastAPI) -> None:
    result = hook(app)
    if inspect.isawaitable(result):
        await result
