"""Processes of a chaos test, from a fork server that has imported everything: 50 ms for one, not two seconds."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess as BaseProcess
from pathlib import Path

PRELOADED = ("chaos.manager", "chaos.engine", "chaos.world", "chaos.preload")


def start(main: Callable[..., None], *given: object) -> BaseProcess:
    """Run a function of a module in a process of its own; the caller ends it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    process = context.Process(target=main, args=given)
    paths = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)  # where the fork server preloads from
    try:
        process.start()
    finally:
        os.environ["PYTHONPATH"] = paths
    return process


def finish(process: BaseProcess) -> None:
    """Leave nothing of a process."""
    process.kill()
    process.join()
    process.close()


async def ended(process: BaseProcess, within: float) -> bool:
    """Wait for the end of a process; tell whether it came."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process.sentinel, end.set)
    try:
        async with asyncio.timeout(within):
            await end.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(process.sentinel)
    process.join()
    return True


def redirect(log: Path) -> None:
    """Let this process say what it says into a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
