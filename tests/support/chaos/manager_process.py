"""One manager process, as a test starts it, kills it and starts it again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass, replace

from chaos import manager, processes
from chaos.tripwires import Kill


@dataclass
class ManagerProcess:
    """One manager, which is killed and started again on the same port."""

    plan: manager.Plan
    process: processes.BaseProcess | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.plan.port}"

    @property
    def lives(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.is_alive()

    def start(self, kill: Kill | None = None) -> None:
        """Start the process; it is to die at `kill`."""
        self.end()
        self.process = processes.start(manager.main, replace(self.plan, kill=kill))

    def kill(self, sign: int = signal.SIGKILL) -> None:
        """Send a signal, which SIGKILL nobody can refuse."""
        if self.process is not None and self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, sign)

    async def died(self, within: float) -> bool:
        """Wait for the end of the process; tell whether it came."""
        if self.process is None:
            return True
        return await processes.ended(self.process, within)

    def end(self) -> None:
        """Leave no process."""
        process, self.process = self.process, None
        if process is not None:
            processes.finish(process)

    def log(self) -> str:
        """Return the end of what it said."""
        path = self.plan.state_dir / f"manager-{self.plan.port}.log"
        return path.read_text(errors="replace")[-6000:] if path.exists() else ""
