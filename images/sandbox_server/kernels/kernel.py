"""One IPython kernel, a process of its own in the user land, kept alive whatever its cells do.

Cells run one after another, and share their variables. A cell that takes too long is interrupted; where that does not
help, or the kernel ends by itself, a fresh kernel takes its place, and the result says that the variables are gone.
Which kernels there are, and who calls them, is in `part`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

import zmq.asyncio

from sandbox_server.config import BoxConfig
from sandbox_server.kernels.launch import Launcher, Running, death
from sandbox_server.kernels.output import CellOutput
from sandbox_server.kernels.process import KernelProcess
from sandbox_server.land.userland import UserLand
from sandbox_server.parts import PartFailed, Result, result, text

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 60.0
INTERRUPT_GRACE_S = 0.5  # within the second that an answer may come after its time-out
GONE = "its variables are gone"
REPLACED = f"a fresh one was started, {GONE}"
STOPPED = "the kernel was stopped"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell that somebody waits for."""

    code: str
    limit_s: float
    deadline: float
    """On the event loop's clock."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nobody waits for it any more."""


class Kernel:
    """Keeps one kernel and runs cells in it."""

    def __init__(self, name: str, config: BoxConfig, userland: UserLand, context: zmq.asyncio.Context) -> None:
        """Run it in this land, from the first cell on, or from `begin`."""
        self.name = name
        self._userland = userland
        self._launcher = Launcher(config, userland, context)
        self._turn = asyncio.Lock()
        self._starting: asyncio.Task[Running] | None = None
        self._started_at: float | None = None
        self._process: KernelProcess | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._turns: set[asyncio.Task[Result]] = set()
        self._cells = self._waiting = 0
        self._busy = self._stopped = False
        self._lost = ""
        """What the next cell must be told about the end of a kernel between two cells."""

    def begin(self) -> None:
        """Begin to start it; done by the first cell otherwise."""
        self._begin()

    async def ready(self) -> None:
        """Return once it can run cells; raise PartFailed if its start failed."""
        await self._running()

    def log_tail(self) -> str:
        """Return the last words of its process."""
        return self._process.log_tail() if self._process else ""

    def described(self) -> dict[str, Any]:
        """Return what is known of it, as the routes show it."""
        up = self._up() is not None
        return {
            "name": self.name,
            "state": self._state(up=up),
            "cells": self._cells,
            "waiting": self._waiting,
            "started_at": self._started_at if up else None,
        }

    def _state(self, *, up: bool) -> str:
        if self._busy or up:
            return "busy" if self._busy else "idle"
        if self._starting is None:
            return "stopped"
        return "failed" if self._starting.done() else "starting"

    async def run(self, code: str, timeout_s: float | None) -> Result:
        """Run a cell when its turn comes; that counts as its time, too. A cancelled call interrupts its cell."""
        limit = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        cell = Cell(code, limit, asyncio.get_running_loop().time() + limit)
        self._waiting += 1
        try:
            async with asyncio.timeout_at(cell.deadline):
                await self._turn.acquire()
        except TimeoutError:
            return failure(f"timed out after {limit:g} s: another cell was still running, this one did not begin")
        finally:
            self._waiting -= 1
        # A task of its own: where the caller leaves, nobody else's cell may begin before this one has ended.
        turn = asyncio.create_task(self._take_turn(cell), name=f"cell of kernel {self.name}")
        self._turns.add(turn)
        turn.add_done_callback(self._end_turn)
        try:
            return await asyncio.shield(turn)
        except asyncio.CancelledError:
            cell.left.set()
            raise

    async def interrupt(self) -> bool:
        """Interrupt the cell that runs now, which keeps the variables; return False where none does."""
        running = self._up()
        if not self._busy or running is None:
            return False
        await running.client.interrupt()
        return True

    async def restart(self) -> None:
        """Put a fresh kernel in its place, and return once that can run cells; a cell that runs ends.

        Raises:
            PartFailed: the fresh one does not start.
        """
        if running := self._up():
            running.because = "the kernel was restarted"
            self._replace(running)
        self._lost = ""
        await self._running()

    async def stop(self) -> None:
        """End it for good; a cell that runs ends, those that wait do not begin."""
        self._stopped = True
        running = self._up()
        if running is not None:
            running.because = STOPPED
        if self._starting:
            self._starting.cancel()
        if self._process:
            self._process.kill()
        if running is not None:
            await asyncio.wait([running.ended])
        if self._closing:
            await asyncio.wait(self._closing)

    def _end_turn(self, turn: asyncio.Task[Result]) -> None:
        self._turns.discard(turn)
        self._turn.release()

    async def _take_turn(self, cell: Cell) -> Result:
        try:
            async with asyncio.timeout_at(cell.deadline):
                running = await self._running()
        except TimeoutError:
            return failure(f"timed out after {cell.limit_s:g} s: the kernel was still starting, the cell did not begin")
        except PartFailed as e:
            return failure(f"there is no kernel: {e}")
        if cell.left.is_set():
            return failure("nobody waits for this cell any more, it did not begin")
        self._cells += 1
        output = CellOutput(f"cell://{self.name}/{self._cells}")
        if self._lost:
            output.stderr.add(f"{self._lost}\n")
            self._lost = ""
        self._busy = True
        try:
            request = await running.client.execute(cell.code, output)
            try:
                note = await self._watch(running, output, cell)
            finally:
                running.client.forget(request)
        finally:
            self._busy = False
        return output.result(note)

    async def _watch(self, running: Running, output: CellOutput, cell: Cell) -> str:
        """Wait for the end of a cell; return why it did not end by itself, if so."""
        finished = asyncio.create_task(output.finished.wait())
        leaving = asyncio.create_task(cell.left.wait())
        either = {finished, running.ended}
        try:
            time_left = cell.deadline - asyncio.get_running_loop().time()
            await asyncio.wait({*either, leaving}, timeout=time_left, return_when=asyncio.FIRST_COMPLETED)
            if not finished.done() and not running.ended.done():
                await running.client.interrupt()
                await asyncio.wait(either, timeout=INTERRUPT_GRACE_S, return_when=asyncio.FIRST_COMPLETED)
                if finished.done():
                    return f"timed out after {cell.limit_s:g} s: the cell was interrupted, its variables stay"
                if not running.ended.done():
                    self._replace(running)
                    return f"timed out after {cell.limit_s:g} s, and an interrupt did not help: {REPLACED}"
            if finished.done():
                return await self._listen_again(running) if output.lost else ""
            self._lost = ""  # this very result says it
            return f"{self._cause(running)}: {GONE if self._stopped else REPLACED}"
        finally:
            finished.cancel()
            leaving.cancel()

    async def _listen_again(self, running: Running) -> str:
        try:
            async with asyncio.timeout(INTERRUPT_GRACE_S):
                await running.client.listen_again()
        except TimeoutError:
            if not running.ended.done():  # else another one is on its way already
                self._replace(running)
            return f"the kernel's output is lost: {REPLACED}"
        return ""

    async def _running(self) -> Running:
        """Return a kernel that can run cells, starting one where there is none."""
        if self._stopped:
            raise PartFailed(STOPPED)
        starting = self._starting
        if starting is None or (starting.done() and self._up() is None):
            starting = self._begin()
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            if starting.cancelled():  # by `stop`, not our caller
                raise PartFailed(STOPPED) from None
            raise

    def _up(self) -> Running | None:
        """Return the kernel that has started; None before that, and where the start failed."""
        starting = self._starting
        if starting is None or not starting.done() or starting.cancelled() or starting.exception():
            return None
        return starting.result()

    def _begin(self) -> asyncio.Task[Running]:
        self._starting = asyncio.create_task(self._launch(), name=f"start of kernel {self.name}")
        self._starting.add_done_callback(_log_failure)
        return self._starting

    def _replace(self, running: Running) -> None:
        running.kernel.kill()
        self._begin()

    async def _launch(self) -> Running:
        running = await self._launcher.launch(self._spawned, self._ended)
        self._started_at = time.time()
        return running

    def _spawned(self, process: KernelProcess) -> None:
        self._process = process

    def _cause(self, running: Running) -> str:
        return running.because or self._userland.ended_because or death(running.ended.result())

    def _ended(self, running: Running) -> None:
        """Clear up after a kernel, and put another in its place unless that is done."""
        running.kernel.kill()
        closing = asyncio.create_task(running.client.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        if self._up() is running and not self._stopped:
            self._lost = f"note: {self._cause(running)} after the last cell; {REPLACED}"
            self._begin()


def _log_failure(starting: asyncio.Task[Running]) -> None:
    """Note why a start failed, also where nobody waits for it."""
    if not starting.cancelled() and (failure := starting.exception()):
        log.warning("the kernel did not start: %s", failure)


def failure(cause: str) -> Result:
    """Return the result of a cell that did not begin."""
    return result(text("", "stdout"), text(cause + "\n", "stderr"), is_error=True)
