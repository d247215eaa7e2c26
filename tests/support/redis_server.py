"""A real Redis for tests: a process of their own on a free port of loopback, which writes nothing that is kept."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Self

from absence import missing

PROGRAMS = ("redis-server", "valkey-server")
"""What may serve: some distributions have gone over to the fork, which speaks the same."""

READY = ("Ready to accept connections", "Sentinel ID is")
ATTEMPTS = 5
"""How often another port is tried, when somebody takes the free one before the server does."""


class RedisServer:
    """A redis-server that lives as long as the test wants it to; `url` stays the same through `restart()`.

        with RedisServer(tmp_path) as redis:
            client = Redis.from_url(redis.url)

    Skips the test where there is no redis-server (`make redis` installs one).
    """

    def __init__(self, folder: Path, *, monitors: int = 0, **options: object) -> None:
        """Describe the server.

        Args:
            folder: Where it runs.
            monitors: The port of a master, for a sentinel that looks after it as `pool`.
            options: Further ones of its configuration (`requirepass="hush"`); a tuple is several words.
        """
        self.options = {name.replace("_", "-"): value for name, value in options.items()}
        self._monitors = monitors
        self.folder = folder
        """Where the server runs; nothing is written there, unless the test makes it save."""
        self.log: list[str] = []
        """What the server has said, for the message of a test that failed."""
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where the server listens on loopback."""
        assert self._port, "the server was not started"
        return self._port

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Return as soon as the server takes connections."""
        assert self._process is None, "the server runs already"
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            missing("there is no redis-server: run `make redis`")
        for _ in range(ATTEMPTS):
            port = self._port or free_port()
            if self._launch(program, port):
                self._port = port
                return self
        raise AssertionError(f"{program} does not start; it said:\n{''.join(self.log)}")

    def stop(self) -> None:
        """End the server, as a crash would: what it held is lost. Does nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        assert self._reader is not None and process.stdout is not None
        self._reader.join()
        process.stdout.close()

    def restart(self) -> None:
        """End the server and start an empty one at the same address."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let the server answer nothing for now; its connections stay open, and new ones are taken."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, program: str, port: int) -> bool:
        """Start the process, and read its log until it is ready (True) or has ended (False)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [program]
        options: dict[str, object] = {"bind": "127.0.0.1", "port": port, "dir": self.folder}
        if self._monitors:
            configuration = self.folder / "sentinel.conf"
            configuration.write_text(f"sentinel monitor pool 127.0.0.1 {self._monitors} 1\n")
            command += [str(configuration), "--sentinel"]
        else:
            options |= {"save": "", "appendonly": "no"}
        for name, value in (options | self.options).items():
            words = value if isinstance(value, tuple) else (value,)
            command += [f"--{name}", *map(str, words)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line)
            if any(word in line for word in READY):
                self._process = process
                # A pipe that nobody empties would stop a talkative server.
                self._reader = threading.Thread(target=self.log.extend, args=(process.stdout,), daemon=True)
                self._reader.start()
                return True
        process.wait()
        process.stdout.close()
        return False


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
