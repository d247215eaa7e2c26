"""Real managers for whole-system tests: each its own process, port, key and installation, on the real Docker Engine."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
import docker.models.containers
import httpx
import pytest

ROOT = Path(__file__).parents[2]


def eventually(met: Callable[[], bool], within: float, what: str, every: float = 0.1) -> float:
    """Wait until another process has done something that sends no event; return the seconds it took."""
    begin = time.monotonic()
    while not met():
        if time.monotonic() - begin > within:
            pytest.fail(f"not within {within:g} s: {what}")
        time.sleep(every)
    return time.monotonic() - begin


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses now, below those that are given to whoever asks."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def containers_of(state_dir: Path) -> list[docker.models.containers.Container]:
    """Return every container of the installation that this folder holds the state of, whatever its state."""
    return containers_labelled((state_dir / "installation").read_text().strip())


def containers_labelled(installation: str) -> list[docker.models.containers.Container]:
    """Return every container of an installation, whatever its state."""
    label = f"agentscope_runtime.installation={installation}"
    engine = docker.from_env()
    try:
        return list(engine.containers.list(all=True, filters={"label": label}, ignore_removed=True))
    finally:
        engine.close()


def volumes_of(state_dir: Path) -> list[str]:
    """Return the names of the volumes of an installation."""
    installation = (state_dir / "installation").read_text().strip()
    engine = docker.from_env()
    try:
        filters = {"label": f"agentscope_runtime.installation={installation}"}
        return [str(volume.name) for volume in engine.volumes.list(filters=filters)]
    finally:
        engine.close()


class Server:
    """One `runtime-sandbox-server` process with an installation of its own."""

    def __init__(self, state_dir: Path, log: Path, *options: str, **environment: str) -> None:
        self.options = options
        self.state_dir = state_dir
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def temporary(cls, *options: str, **environment: str) -> Iterator[Server]:
        """Run a manager, its pool filled, while the block runs."""
        with tempfile.TemporaryDirectory() as folder:
            server = cls(Path(folder), Path(folder) / "server.log", *options, **environment)
            try:
                yield server.start().wait_ready()
            finally:
                server.end()

    def start(self) -> Server:
        """Start the process, or start it again; `wait_ready` waits for its pool."""
        variables = {
            "PORT": str(self.port),
            "AGENTSCOPE_RUNTIME_STATE_DIR": str(self.state_dir),
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("client", "engine", "sandbox_manager")),
            **self.environment,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agentscope_runtime.sandbox_manager", *self.options],
                env={**os.environ, **variables},
                cwd=self.state_dir,  # no .env of the checkout
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def wait_ready(self, within: float = 90.0) -> Server:
        """Wait until the pool was filled once."""
        try:
            eventually(self._ready, within, "the manager's pool is ready")
        except BaseException as e:
            e.add_note(f"its log ends:\n{self.log.read_text()[-2000:]}")
            raise
        return self

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the manager ended:\n{self.log.read_text()[-2000:]}"
        try:
            return httpx.get(f"{self.url}/readiness", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self, *, with_undertaker: bool = False) -> None:
        """End the process by force; `with_undertaker` the one that would clean up after it, too, and before it."""
        assert self.process is not None
        if with_undertaker:
            pid = self.process.pid
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask the process to end, and wait; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    @property
    def key(self) -> str:
        """The key that the manager made for this machine's users."""
        return (self.state_dir / "key").read_text().strip()

    def http(self, timeout: float = 60.0) -> httpx.Client:
        """Return a client that holds the key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    def containers(self) -> list[docker.models.containers.Container]:
        """Return every container of this installation, whatever its state."""
        return containers_of(self.state_dir)

    def end(self) -> None:
        """Leave nothing: neither process nor container."""
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        if (self.state_dir / "installation").exists():
            for container in self.containers():
                container.remove(force=True)
