"""Opening the engine of a world: a process of the test's own, or the real one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from chaos import engine, processes
from chaos.real import RealEngine
from chaos.remote import Remote

from agentscope_runtime.sandbox_manager.backends import Owner


async def engine_process(stack: AsyncExitStack, socket: Path, seed: int) -> Remote:
    """Start an engine process, and return the way to it."""
    log = socket.with_suffix(".log")
    stack.callback(processes.finish, processes.start(engine.main, str(socket), seed, log))
    remote = Remote(str(socket), Owner("", "test"))
    stack.push_async_callback(remote.aclose)
    while not socket.exists():  # noqa: ASYNC110 - it is another process that makes it
        await asyncio.sleep(0.01)
    return remote


def real_engine(stack: AsyncExitStack, states: list[Path], *names: str) -> RealEngine:
    """Return the way to the real engine; what is left there at the end is removed."""
    seen = RealEngine(states, *names)
    stack.push_async_callback(seen.aclose)
    stack.push_async_callback(seen.sweep)
    return seen
