"""The process that outlives its manager: when the manager ends without a word, it removes what that one left.

A box that runs ends itself when nobody speaks to it, but a container that was made and not yet started cannot. This
process waits at a pipe for the manager's farewell. A pipe that breaks without one means that the manager was killed;
then everything with the manager's label is removed, at once. It costs a bare interpreter: what it needs for its task it
imports when it is time.

Not here: what a manager removes itself (`Pool.aclose`), and what the next one finds (`reconcile`).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentscope_runtime.sandbox_manager.backends import Owner

FAREWELL = b"all is well"
ROUNDS = (0.0, 2.0, 10.0)
"""Seconds before each look: what the manager asked for last may still be coming up on the engine."""


@asynccontextmanager
async def undertaker(owner: Owner) -> AsyncIterator[None]:
    """Have this manager's containers removed if its process dies while the context is open."""
    # A session of its own, so that what ends the manager from a terminal does not end both. It finds our packages where
    # this process found them, however that was.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - takes milliseconds; runs ourselves
        [sys.executable, "-m", __name__, owner.installation, owner.manager],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )
    try:
        yield
    finally:
        await asyncio.to_thread(process.communicate, FAREWELL)


def main() -> None:
    """Wait for the end of the manager that the command line names."""
    installation, manager = sys.argv[1:]
    if sys.stdin.buffer.read() != FAREWELL:
        asyncio.run(_bury(installation, manager))


async def _bury(installation: str, manager: str) -> None:
    from agentscope_runtime.sandbox.errors import SandboxError
    from agentscope_runtime.sandbox_manager.backends import Owner
    from agentscope_runtime.sandbox_manager.backends.docker import DockerBackend

    backend = DockerBackend(Owner(installation, manager))
    try:
        for wait in ROUNDS:
            await asyncio.sleep(wait)
            try:
                left = [found for found in await backend.containers() if found.manager == manager]
                await asyncio.gather(*(backend.remove(found.sandbox_id) for found in left))
                shared = [found for found in await backend.loose_volumes() if found.manager == manager]
                await asyncio.gather(*(backend.remove_volume(found.sandbox_id) for found in shared))
            except SandboxError:
                continue  # the engine is away; perhaps it is back at the next look
    finally:
        await backend.aclose()


if __name__ == "__main__":
    main()
