"""One kernel as a process of the user land, with the sockets that lead to it.

Light on purpose, as `land.namespaces` is: the first kernel is spawned before the server's heavy imports.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox_server.land.capture import Capture
from sandbox_server.land.processes import Process

PYTHON = "/opt/user/bin/python"
MAIN = "import box_kernel; box_kernel.main()"  # `-m` would make it __main__, which is the user's module
LOG_LIMIT = 8192
CHANNELS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}


class KernelProcess:
    """A kernel that runs, or is about to."""

    def __init__(self, process: Process, folder: Path, key: bytes, log: Capture) -> None:
        """Take over a started process; use `spawn`."""
        self.process = process
        self.key = key
        self._folder = folder
        self._log = log

    @classmethod
    def spawn(cls, enter: Sequence[str], entrance: Mapping[str, str]) -> KernelProcess:
        """Start a kernel.

        Args:
            enter: The command that runs its arguments in the user land; the kernel's own are put after it.
            entrance: The environment of that command.

        Raises:
            OSError: there is no process or memory left.
        """
        # Code of the user can reach this folder, and owns the kernel anyway: what comes out of these sockets is
        # never trusted. Nothing of the server's is in it.
        folder = Path(tempfile.mkdtemp(prefix=".kernel-"))
        key = secrets.token_hex(16)
        connection: dict[str, object] = {f"{name}_port": number for name, number in CHANNELS.items()}
        connection |= {"transport": "ipc", "ip": str(folder / "s"), "key": key, "signature_scheme": "hmac-sha256"}
        (folder / "connection.json").write_text(json.dumps(connection))
        log = Capture(LOG_LIMIT)
        try:
            argv = [*enter, PYTHON, "-P", "-c", MAIN, str(folder / "connection.json")]
            process = Process.start(argv, env=entrance, stdout=log.write_fd, stderr=log.write_fd)
        except BaseException:
            log.abandon()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        log.begin()
        return cls(process, folder, key.encode(), log)

    def endpoint(self, channel: str) -> str:
        """Return the address of one of its channels."""
        return f"ipc://{self._folder / 's'}-{CHANNELS[channel]}"

    def log_tail(self) -> str:
        """Return what it wrote outside of cells: start-up errors, crashes."""
        self._log.drain()
        return self._log.text().strip()

    def kill(self) -> None:
        """End it, its child processes, and its sockets."""
        self.process.kill_tree()
        self._log.detach()
        shutil.rmtree(self._folder, ignore_errors=True)
