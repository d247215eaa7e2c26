"""Brings up one kernel: its process, the channels to it, and a first cell that proves that cells run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import zmq.asyncio

from sandbox_server.config import BoxConfig
from sandbox_server.kernels.client import KernelClient
from sandbox_server.kernels.output import CellOutput
from sandbox_server.kernels.process import KernelProcess
from sandbox_server.land.userland import UserLand
from sandbox_server.parts import PartFailed

START_TIMEOUT_S = 30.0  # it takes half a second, a few on a machine that is far too busy


@dataclass(slots=True)
class Running:
    """A kernel that has run a cell."""

    kernel: KernelProcess
    client: KernelClient
    ended: asyncio.Task[int]
    """Done with the exit code when the process has ended."""
    because: str = ""
    """Why it was ended, where somebody asked for that."""


class Launcher:
    """Starts kernels in one land."""

    def __init__(self, config: BoxConfig, userland: UserLand, context: zmq.asyncio.Context) -> None:
        """Start them in this land."""
        self._config = config
        self._userland = userland
        self._context = context

    async def launch(self, spawned: Callable[[KernelProcess], None], ended: Callable[[Running], None]) -> Running:
        """Start a kernel and return it once it can run cells.

        Args:
            spawned: Told of each process, as soon as there is one.
            ended: Told of one that has ended, whether it had become ready or not.

        Raises:
            PartFailed: it did not start; the message has its last words.
        """
        self._spawned, self._told = spawned, ended
        born_before = not self._config.assignment.done()
        running = await self._launch_one()
        if born_before and self._config.assignment.result().environment:
            # PYTHONPATH, TZ and others count from the start of a process only. Rather twice, which is rare.
            running.kernel.kill()
            running = await self._launch_one()
        return running

    async def _launch_one(self) -> Running:
        try:
            return await self._launch_here()
        except (OSError, PartFailed):
            if not await self._userland.end_if_full():
                raise
        return await self._launch_here()

    async def _launch_here(self) -> Running:
        kernel = KernelProcess.spawn(await self._userland.command(()), self._userland.entrance())
        self._spawned(kernel)
        ended = asyncio.create_task(kernel.process.wait(), name="kernel process")
        client = KernelClient(kernel, self._context)
        running = Running(kernel, client, ended)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._welcome(running)
                await self._warm_up(running)
        except TimeoutError as e:
            kernel.kill()
            raise PartFailed(f"the kernel did not start in {START_TIMEOUT_S:g} s: {kernel.log_tail()}") from e
        except BaseException:
            kernel.kill()
            raise
        finally:
            ended.add_done_callback(lambda _: self._told(running))
        return running

    async def _welcome(self, running: Running) -> None:
        welcomed = asyncio.create_task(running.client.welcome())
        try:
            await asyncio.wait({welcomed, running.ended}, return_when=asyncio.FIRST_COMPLETED)
            _raise_if_ended(running)
        finally:
            welcomed.cancel()

    async def _warm_up(self, running: Running) -> None:
        """Run the first cell: it proves that cells run, and passes on what the manager told us meanwhile."""
        await asyncio.shield(self._config.assignment)
        output = CellOutput()
        code = f"__import__('os').environ.update({self._userland.environment()!r})"
        request = await running.client.execute(code, output, silent=True)
        finished = asyncio.create_task(output.finished.wait())
        try:
            await asyncio.wait({finished, running.ended}, return_when=asyncio.FIRST_COMPLETED)
            _raise_if_ended(running)
        finally:
            finished.cancel()
            running.client.forget(request)


def _raise_if_ended(running: Running) -> None:
    if running.ended.done():
        raise PartFailed(f"{death(running.ended.result())} before it could run a cell: {running.kernel.log_tail()}")


def death(code: int) -> str:
    """Return how a kernel ended, in words."""
    if code == 137:
        return "the kernel was killed (signal 9), probably because the sandbox ran out of memory"
    return f"the kernel ended with signal {code - 128}" if code > 128 else f"the kernel ended (exit code {code})"
