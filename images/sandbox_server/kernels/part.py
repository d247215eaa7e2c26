"""The part that has the kernels of a box by name, and runs `run_ipython_cell` in them.

One is called `main` and starts with the box; others start with their first cell. What a kernel does is in `kernel`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import zmq.asyncio

from sandbox_server.config import BoxConfig
from sandbox_server.kernels.kernel import Kernel, failure
from sandbox_server.kernels.spec import KERNELS_MAX, MAIN, NAME, SPEC
from sandbox_server.land.userland import UserLand
from sandbox_server.parts import Arguments, Result, Tool

if TYPE_CHECKING:
    from aiohttp import web


class UnknownKernel(Exception):
    """No kernel has this name; the message lists those that there are."""


class Kernels:
    """Keeps kernels and runs cells in them."""

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
        self._kernels = {MAIN: self._made(MAIN)}

    async def start(self) -> None:
        """Begin with the first kernel if it is likely to be wanted."""
        if self._spawn_early:
            self._kernels[MAIN].begin()

    async def ready(self) -> None:
        """Return once cells can run, where the assignment wants that; raise PartFailed if the start failed."""
        assignment = await asyncio.shield(self._config.assignment)
        main = self._kernels.get(MAIN)
        if assignment.kernel == "eager" and main is not None:  # one that was stopped is not waited for
            await main.ready()

    def log_tail(self) -> str:
        """Return the last words of the first kernel's process."""
        main = self._kernels.get(MAIN)
        return main.log_tail() if main else ""

    def tools(self) -> Sequence[Tool]:
        """Return `run_ipython_cell`."""
        return (SPEC.tool(self._call),)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes of the kernels."""
        from sandbox_server.kernels.routes import KernelRoutes

        return KernelRoutes(self).routes()

    async def close(self) -> None:
        """End the kernels."""
        await asyncio.gather(*(kernel.stop() for kernel in self._kernels.values()))
        self._context.destroy(linger=0)

    def described(self) -> list[dict[str, Any]]:
        """Return what is known of each kernel, in the order in which they came."""
        return [kernel.described() for kernel in self._kernels.values()]

    def named(self, name: str) -> Kernel:
        """Return the kernel of this name.

        Raises:
            UnknownKernel: there is none.
        """
        if name not in self._kernels:
            raise UnknownKernel(f"there is no kernel {name!r}; there are: {', '.join(self._kernels) or 'none'}")
        return self._kernels[name]

    async def stop(self, name: str) -> None:
        """End a kernel; one that there is not is fine. The next cell that names it starts it anew."""
        kernel = self._kernels.pop(name, None)
        if kernel is not None:
            await kernel.stop()

    async def _call(self, arguments: Arguments, timeout_s: float | None) -> Result:
        name = arguments.get("kernel", MAIN)
        if name not in self._kernels:
            if len(self._kernels) >= KERNELS_MAX:
                there = ", ".join(self._kernels)
                return failure(f"all {KERNELS_MAX} kernels of the sandbox are taken: use one of {there}, or stop one")
            self._kernels[name] = self._made(name)
        return await self._kernels[name].run(arguments["code"], arguments.get("timeout", timeout_s))

    def _made(self, name: str) -> Kernel:
        assert re.fullmatch(NAME, name), name
        return Kernel(name, self._config, self._userland, self._context)
