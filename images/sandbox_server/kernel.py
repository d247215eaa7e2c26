"""The tool `run_ipython_cell`: one IPython kernel of its own, in the user land, kept alive whatever its cells do.

Cells run one after another, and share their variables. A cell that takes too long is interrupted; where that does not
help, or the kernel ends by itself, a fresh kernel takes its place, and the result says that the variables are gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import zmq.asyncio

from sandbox_server.config import BoxConfig
from sandbox_server.kernel_client import KernelClient
from sandbox_server.kernel_output import CellOutput
from sandbox_server.kernel_process import KernelProcess
from sandbox_server.parts import Arguments, PartFailed, Result, Tool, result, text
from sandbox_server.userland import UserLand

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 60.0
INTERRUPT_GRACE_S = 0.5  # within the second that an answer may come after its time-out
START_TIMEOUT_S = 30.0  # it takes half a second, a few on a machine that is far too busy
REPLACED = "a fresh one was started, its variables are gone"

SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "Python code; IPython magics work."}},
    "required": ["code"],
    "additionalProperties": False,
}
DESCRIPTION = (
    "Run Python code in the sandbox's IPython kernel and return what it prints, the value of the last expression, and "
    "images. Variables stay for the next call."
)


@dataclass(slots=True)
class Running:
    """A kernel that has run a cell."""

    kernel: KernelProcess
    client: KernelClient
    ended: asyncio.Task[int]
    """Done with the exit code when the process has ended."""


class Kernel:
    """Keeps one kernel and runs cells in it."""

    name = "kernel"

    def __init__(self, config: BoxConfig, userland: UserLand, *, spawn_early: bool) -> None:
        """Run kernels in this land.

        Args:
            config: The box's facts; whether readiness waits for a kernel comes with the assignment.
            userland: Where kernels run.
            spawn_early: Whether to begin with the first one before the assignment is there, which saves its time.
        """
        self._config = config
        self._userland = userland
        self._spawn_early = spawn_early
        self._context = zmq.asyncio.Context()
        self._turn = asyncio.Lock()
        self._starting: asyncio.Task[Running] | None = None
        self._process: KernelProcess | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._lost = ""
        """What the next cell must be told about the end of a kernel between two cells."""

    async def start(self) -> None:
        """Begin with the first kernel if it is likely to be wanted."""
        if self._spawn_early:
            self._begin()

    async def ready(self) -> None:
        """Return once it can run cells, where the assignment wants that; raise PartFailed if its start failed."""
        assignment = await asyncio.shield(self._config.assignment)
        if assignment.kernel == "eager":
            await self._running()

    def log_tail(self) -> str:
        """Return the last words of the kernel's process."""
        return self._process.log_tail() if self._process else ""

    def tools(self) -> Sequence[Tool]:
        """Return `run_ipython_cell`."""
        return (Tool("run_ipython_cell", "generic", DESCRIPTION, SCHEMA, self._call),)

    async def close(self) -> None:
        """End the kernel."""
        if self._starting:
            self._starting.cancel()
        if self._process:
            self._process.kill()
        self._context.destroy(linger=0)

    async def _call(self, arguments: Arguments, timeout_s: float | None) -> Result:
        limit = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        deadline = asyncio.get_running_loop().time() + limit
        try:
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError:
            return _failure(f"timed out after {limit:g} s: another cell was still running, this one did not begin")
        try:
            return await self._take_turn(arguments["code"], limit, deadline)
        finally:
            self._turn.release()

    async def _take_turn(self, code: str, limit: float, deadline: float) -> Result:
        try:
            async with asyncio.timeout_at(deadline):
                running = await self._running()
        except TimeoutError:
            return _failure(f"timed out after {limit:g} s: the kernel was still starting, the cell did not begin")
        except PartFailed as e:
            return _failure(f"there is no kernel: {e}")
        output = CellOutput()
        if self._lost:
            output.stderr.add(f"{self._lost}\n")
            self._lost = ""
        request = await running.client.execute(code, output)
        try:
            note = await self._watch(running, output, limit, deadline)
        finally:
            running.client.forget(request)
        return output.result(note)

    async def _watch(self, running: Running, output: CellOutput, limit: float, deadline: float) -> str:
        """Wait for the end of a cell; return why it did not end by itself, if so."""
        finished = asyncio.create_task(output.finished.wait())
        either = {finished, running.ended}
        try:
            left = deadline - asyncio.get_running_loop().time()
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not finished.done() and not running.ended.done():
                await running.client.interrupt()
                await asyncio.wait(either, timeout=INTERRUPT_GRACE_S, return_when=asyncio.FIRST_COMPLETED)
                if finished.done():
                    return f"timed out after {limit:g} s: the cell was interrupted, the variables are still there"
                if not running.ended.done():
                    self._replace(running)
                    return f"timed out after {limit:g} s, and an interrupt did not help: {REPLACED}"
            if finished.done():
                return await self._listen_again(running) if output.lost else ""
            self._lost = ""  # this very result says it
            return f"{self._cause(running)}: {REPLACED}"
        finally:
            finished.cancel()

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
        starting = self._starting
        if starting is None or (starting.done() and (starting.cancelled() or starting.exception())):
            starting = self._begin()
        return await asyncio.shield(starting)

    def _begin(self) -> asyncio.Task[Running]:
        self._starting = asyncio.create_task(self._launch(), name="kernel start")
        self._starting.add_done_callback(_log_failure)
        return self._starting

    def _replace(self, running: Running) -> None:
        running.kernel.kill()
        self._begin()

    async def _launch(self) -> Running:
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
        self._process = kernel
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
            ended.add_done_callback(lambda _: self._ended(running))
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

    def _cause(self, running: Running) -> str:
        return self._userland.ended_because or _death(running.ended.result())

    def _ended(self, running: Running) -> None:
        """Clear up after a kernel, and put another in its place unless that is done."""
        running.kernel.kill()
        closing = asyncio.create_task(running.client.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        current = self._starting
        is_current = current is not None and current.done() and not current.cancelled() and not current.exception()
        if is_current and current is not None and current.result() is running:
            self._lost = f"note: {self._cause(running)} after the last cell; {REPLACED}"
            self._begin()


def _raise_if_ended(running: Running) -> None:
    if running.ended.done():
        raise PartFailed(f"{_death(running.ended.result())} before it could run a cell: {running.kernel.log_tail()}")


def _log_failure(starting: asyncio.Task[Running]) -> None:
    """Note why a start failed, also where nobody waits for it."""
    if not starting.cancelled() and (failure := starting.exception()):
        log.warning("the kernel did not start: %s", failure)


def _death(code: int) -> str:
    if code == 137:
        return "the kernel was killed (signal 9), probably because the sandbox ran out of memory"
    return f"the kernel ended with signal {code - 128}" if code > 128 else f"the kernel ended (exit code {code})"


def _failure(cause: str) -> Result:
    return result(text("", "stdout"), text(cause + "\n", "stderr"), is_error=True)
