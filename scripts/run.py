"""Start the manager, wait until its pool is warm, run the demo against it; then stay until Ctrl-C, or end (--once).

What it starts it also ends, and it looks afterwards whether a container was left. Not here: set-up (the Makefile does
that before), and what the demo does (examples/demo.py).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker

from agentscope_runtime.sandbox_manager.keys import installation_id
from agentscope_runtime.sandbox_manager.settings import default_state_dir

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 40.0
DEMO_STOP_SECONDS = 5.0
MANAGER_LABEL = "agentscope_runtime.manager"
INSTALLATION_LABEL = "agentscope_runtime.installation"


class Failed(Exception):
    """The run cannot go on; the message says why and what to do."""


def say(text: str) -> None:
    """Print one line at once."""
    print(f"run      {text}", flush=True)


def ask(port: int, path: str) -> tuple[int, Any]:
    """Send one GET to the manager; return the status and the parsed answer, (0, None) if nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except ValueError:
        return -1, None
    except OSError:
        return 0, None
    finally:
        connection.close()


def check_port(port: int) -> None:
    """Make sure that the manager can listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            _, health = ask(port, "/health")
            ours = isinstance(health, dict) and health.get("status") == "healthy"
            who = "a sandbox manager that runs already" if ours else "another program"
            raise Failed(f"port {port} is taken by {who}. Stop it, or use another: make run PORT={port + 1}") from error


@contextmanager
def manager(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the manager for the length of the block, and wait for its end afterwards."""
    variables = {"HOST": HOST, "PORT": str(port), "DEFAULT_SANDBOX_TYPE": "base,browser"}
    for name, value in {"POOL_SIZE": "base=1,browser=1"}.items():
        variables[name] = os.environ.get(name, value)
    process = subprocess.Popen(
        # Its log of every event is for those who run it for good; here, what goes wrong is enough.
        [
            sys.executable,
            "-m",
            "agentscope_runtime.sandbox_manager",
            "--log-level",
            os.environ.get("LOG_LEVEL", "ERROR"),
        ],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        # Ctrl-C reaches the whole process group of a terminal. The manager must outlive the demo by a moment, so it
        # is told to end by us.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the manager to end, which removes its sandboxes."""
    if process.poll() is None:
        say("stopping the manager; its sandboxes go with it …")
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        say(f"the manager has not ended within {STOP_SECONDS:.0f} s; killing it")
        process.kill()
        process.wait()


def missing(answer: Any) -> str:
    """Say in one line what a manager that is not ready waits for."""
    if not isinstance(answer, dict):
        return "it does not answer yet"
    kinds = answer.get("missing", {})
    # The same cause names another sandbox at each try, and a long reason ends in a log, which has its own place.
    reasons = {re.sub(r"sbx-\w+", "sbx-…", of["reason"])[:300]: None for of in kinds.values() if of.get("reason")}
    words = ", ".join(f"{kind} {of['ready']} of {of['target']}" for kind, of in kinds.items())
    return "\n         ".join([words, *reasons])


def wait_ready(process: subprocess.Popen[bytes], port: int) -> float:
    """Wait until every pool was filled once; say from time to time what is missing."""
    began = told = time.monotonic()
    said = ""
    while True:
        status, answer = ask(port, "/readiness")
        passed = time.monotonic() - began
        if status == 200:
            return passed
        if process.poll() is not None:
            raise Failed(f"the manager ended with status {process.returncode}; its last lines above say why")
        detail = missing(answer)
        if passed > START_SECONDS:
            raise Failed(f"the pool is not warm after {START_SECONDS:.0f} s: {detail}")
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"… {passed:.0f} s: {detail.partition(chr(10))[0] if detail == said else detail}")
            said = detail
        time.sleep(0.1)


def containers_of(label: str) -> list[Any]:
    """Return all containers, running or not, that carry a label."""
    engine = docker.from_env()
    try:
        return list(engine.containers.list(all=True, filters={"label": label}))
    finally:
        engine.close()


def managers_alive() -> set[str]:
    """Return the managers of this user that have containers now."""
    ours = containers_of(f"{INSTALLATION_LABEL}={installation_id(default_state_dir())}")
    return {container.labels.get(MANAGER_LABEL, "") for container in ours}


def check_nothing_left(managers: set[str]) -> None:
    """Look for containers of these managers, which have ended."""
    deadline = time.monotonic() + 10
    while left := [box.name for name in managers for box in containers_of(f"{MANAGER_LABEL}={name}")]:
        if time.monotonic() > deadline:
            raise Failed(
                f"containers were left: {', '.join(left)}. They end by themselves; `make clean` removes them now"
            )
        time.sleep(0.2)
    say("no container is left")


def run_demo(port: int, stay: bool) -> int:
    """Run the demo as the person would; return its exit status."""
    command = [sys.executable, "examples/demo.py", "--url", f"http://{HOST}:{port}"]
    with subprocess.Popen([*command, "--stay"] if stay else command, cwd=ROOT) as demo:
        try:
            return demo.wait()
        except (KeyboardInterrupt, SystemExit) as end:
            # A terminal's Ctrl-C has reached the demo as well, and it gives its sandbox back; `kill` reached us only.
            if isinstance(end, SystemExit):
                demo.terminate()
            with suppress(subprocess.TimeoutExpired):
                demo.wait(DEMO_STOP_SECONDS)
            demo.terminate()
            raise


def run(port: int, once: bool) -> int:
    """Do all of it; return the exit status."""
    check_port(port)
    before = managers_alive()
    with manager(port) as process:
        say("warming the pool …")
        say(f"the pool is warm after {wait_ready(process, port):.1f} s; the demo:")
        managers = managers_alive() - before
        try:
            status = run_demo(port, stay=not once)
        except (KeyboardInterrupt, SystemExit):
            status = 0
    check_nothing_left(managers)
    if status == 0:
        say("the demo worked" if once else "good-bye")
    return status


def main() -> int:
    """Read the options, run, and translate what went wrong into a line and a status."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--once", action="store_true", help="end after the demo")
    chosen = options.parse_args()
    # `kill` and a closed terminal end us as Ctrl-C does: with everything cleaned up.
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: sys.exit(0))
    try:
        return run(chosen.port, chosen.once)
    except Failed as failure:
        print(f"run      failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
