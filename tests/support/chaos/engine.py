"""A container engine without containers as a process of its own: it outlives the managers that are killed around it.

The boxes are those of `backends.fake`, with their HTTP; managers reach them over loopback, and the engine over a Unix
socket (`chaos.remote`). Beyond that it does what a test asks for: it kills a manager in the middle of an order, as no
wire around a call can; it answers nobody for a while; it lets a container die.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos import wire
from chaos.processes import redirect

from agentscope_runtime.sandbox.errors import BackendUnavailable, SandboxError, StartFailed
from agentscope_runtime.sandbox_manager.backends import Owner, WatchBegins, WatchLost
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend, FakeEngine

TAKES = {"create": 0.002, "start": 0.004, "started": 0.002, "remove": 0.004}
"""Seconds that a step takes, give or take half of it, so that a kill at random finds things half done."""


@dataclass
class Trap:
    """Where the next manager dies: in the n-th such step of an order."""

    step: str
    nth: int


@dataclass
class EngineProcess:
    """What runs in the process."""

    engine: FakeEngine = field(default_factory=FakeEngine)
    dice: random.Random = field(default_factory=random.Random)
    trap: Trap | None = None
    away: bool = False
    bad_starts: int = 0
    spoilt: list[str] = field(default_factory=list)
    """Sandboxes whose start was made to fail."""

    async def serve(self, path: str) -> None:
        """Serve managers and the test until killed."""
        server = await asyncio.start_unix_server(self._connected, path)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one manager, or the test; what it asked for ends where it is when the asker is gone."""
        with suppress(EOFError):
            owner, pid = await wire.read(reader)
            backend = FakeBackend(owner, engine=self.engine, hook=self._hook_for(pid))
            target = self if owner.manager == "test" else backend
            tasks: set[asyncio.Task[None]] = set()
            try:
                while True:
                    number, name, args, kwargs = await wire.read(reader)
                    task = asyncio.create_task(self._answer(writer, number, getattr(target, name), (args, kwargs)))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            finally:
                for task in tasks:
                    task.cancel()
                writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, number: int, call: Any, given: Any) -> None:
        args, kwargs = given
        try:
            result = call(*args, **kwargs)
            if isinstance(result, AsyncIterator):
                async for item in result:
                    wire.write(writer, (number, "item", item))
                return
            value = await result if asyncio.iscoroutine(result) else result
        except SandboxError as e:
            wire.write(writer, (number, "error", wire.packed(e)))
        else:
            wire.write(writer, (number, "value", value))

    def _hook_for(self, pid: int) -> Any:
        async def hook(step: str, name: str) -> None:
            if self.away:
                raise BackendUnavailable("the engine is away, says the test")
            trap = self.trap
            if trap is not None and trap.step == step:
                trap.nth -= 1
                if not trap.nth:
                    self.trap = None
                    os.kill(pid, signal.SIGKILL)
                    await asyncio.Event().wait()  # until the connection is seen to be broken: nothing more is done
            if step == "started" and self.bad_starts:
                self.bad_starts -= 1
                self.spoilt.append(name)
                raise StartFailed("this start fails, says the test")
            await asyncio.sleep(TAKES.get(step, 0.0) * self.dice.uniform(0.5, 1.5))

        return hook

    # --- what the test asks

    def arm(self, step: str, nth: int) -> None:
        """Kill the manager that comes to this step for the n-th time."""
        self.trap = Trap(step, nth)

    def disarm(self) -> bool:
        """Take the trap away; return whether it was still there."""
        armed, self.trap = self.trap is not None, None
        return armed

    def leave(self) -> None:
        """Answer nobody any more, until `come_back`."""
        self.away = True
        self._tell(WatchLost("the engine is away, says the test"))

    async def go_down(self) -> list[str]:
        """End all containers, and answer nobody any more, as when the engine is restarted; return which there were."""
        self.leave()
        ended = list(self.engine.containers)
        for sandbox_id in ended:
            await self.die(sandbox_id, quietly=True)
        return ended

    def come_back(self) -> None:
        """Answer again; deaths meanwhile were told to nobody."""
        self.away = False
        self._tell(WatchBegins())

    async def die(self, sandbox_id: str, *, quietly: bool = False) -> None:
        """Let a container die, if it is there."""
        if container := self.engine.containers.get(sandbox_id):
            await FakeBackend(container.owner, engine=self.engine).die(sandbox_id, quietly=quietly)

    def fail_start(self) -> None:
        """Let the next start fail when its container runs already."""
        self.bad_starts += 1

    def failed_starts(self) -> list[str]:
        """Return the sandboxes whose start was made to fail."""
        return self.spoilt

    def containers(self) -> dict[str, tuple[Owner, bool]]:
        """Return all containers of all installations: whose each is, and whether it runs."""
        return {name: (each.owner, each.running) for name, each in self.engine.containers.items()}

    def volumes(self) -> list[str]:
        """Return all volumes of all installations that no container uses."""
        used = {container.order.volume for container in self.engine.containers.values()}
        return sorted({*self.engine.loose, *self.engine.shared} - used)

    def _tell(self, news: WatchLost | WatchBegins) -> None:
        for *_, queue in self.engine.watchers:
            queue.put_nowait(news)


def main(path: str, seed: int, log: Path) -> None:
    """Be the engine process, until killed."""
    redirect(log)
    asyncio.run(EngineProcess(dice=random.Random(seed)).serve(path))  # noqa: S311 - dice, no secret
