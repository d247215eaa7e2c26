"""The Python kernels of a sandbox: `run_ipython_cell` runs cells in them, this looks after them."""

from __future__ import annotations

from collections.abc import Callable

from agentscope_runtime.sandbox._async.holding import HoldingAsync
from agentscope_runtime.sandbox.calls import kernels
from agentscope_runtime.sandbox.types import KernelEntry


class SandboxKernelsAsync:
    """`box.kernels`: a kernel is started by the first cell that names it; without a name cells run in `main`."""

    def __init__(self, in_hand: Callable[[], HoldingAsync]) -> None:
        """Serve the sandbox that `in_hand` returns with each call."""
        self._in_hand = in_hand

    async def list_async(self) -> list[KernelEntry]:
        """List the kernels that there are, with what each does."""
        return await self._in_hand().do_async(kernels.list_kernels)

    async def interrupt_async(self, kernel: str = "main") -> bool:
        """Interrupt the cell that runs in a kernel; return False where none does. The variables stay.

        Args:
            kernel: Its name.

        Raises:
            NotFound: there is no kernel of this name.
        """
        return await self._in_hand().do_async(kernels.interrupt_kernel, kernel)

    async def restart_async(self, kernel: str = "main") -> KernelEntry:
        """Put a fresh kernel in the place of one; a cell that runs in it ends, and the variables are gone.

        Args:
            kernel: Its name.

        Raises:
            NotFound: there is no kernel of this name.
            StartFailed: the fresh one did not start.
        """
        return await self._in_hand().do_async(kernels.restart_kernel, kernel)

    async def stop_async(self, kernel: str = "main") -> None:
        """End a kernel, which gives its memory back; one that there is not is fine.

        Args:
            kernel: Its name. The next cell that names it starts it anew.
        """
        await self._in_hand().do_async(kernels.stop_kernel, kernel)
