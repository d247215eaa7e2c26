"""Programs of users, run as users run them: processes of their own, that find the project but none of its settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from managers import ROOT, eventually

OTHERS = (
    "HOST",
    "PORT",
    "MANAGER",
    "MODEL",
    "AGENT_",
    "OPENAI_",
    "DASHSCOPE_",
    "STATE_",
    "SESSION_HISTORY_",
    "MEMORY_",
)
"""How variables begin that programs read, and that this machine may have."""


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which the project is found, wherever the program lies, and nothing else is set."""
    paths = [ROOT / part for part in ("client", "engine", "sandbox_manager", "examples")]
    known = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return {**known, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONUNBUFFERED": "1", **variables}


def printed(script: str, folder: Path, **variables: str) -> str:
    """Run a script in a folder, where no warning is let pass; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", script],
        env=environment(**{"AGENTSCOPE_RUNTIME_STATE_DIR": str(folder), **variables}),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@dataclass
class Program:
    """One that runs."""

    process: subprocess.Popen[bytes]
    log: Path
    """Where it says what it says."""

    @property
    def said(self) -> str:
        """What it said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_answers(self, url: str, within: float = 60) -> None:
        """Wait until something answers there, whatever it says."""
        eventually(lambda: self.process.poll() is not None or _answers(url), within, f"an answer from {url}")
        assert self.process.poll() is None, self.said

    def end(self) -> int:
        """Ask it to end, as `kill` does, and return its exit status."""
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def running(*arguments: str | Path, folder: Path, **variables: str) -> Iterator[Program]:
    """Run a Python program, of which at the end nothing is left.

    Args:
        arguments: What `python` is told.
        folder: Where it runs, and its log is.
        variables: Its environment, beside what it needs anyway.
    """
    log = folder / f"{Path(arguments[0]).stem}.log"
    with (
        log.open("ab") as out,
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield Program(process, log)
        except BaseException as error:
            error.add_note(f"the program said:\n{log.read_text(errors='replace')[-3000:]}")
            raise
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()


def _answers(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False)
    except httpx.TransportError:
        return False
    return True
