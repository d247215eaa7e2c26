"""The examples do what they say, each way that the documents name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import docker
import pytest
from managers import ROOT, eventually, free_port
from PIL import Image

pytestmark = [pytest.mark.docker, pytest.mark.slow]


def environment(tmp_path: Path) -> dict[str, str]:
    """Give a run an installation of its own, so that it finds and leaves nothing of others."""
    paths = (str(ROOT / part) for part in ("client", "engine", "sandbox_manager"))
    state = {"PYTHONPATH": os.pathsep.join(paths), "AGENTSCOPE_RUNTIME_STATE_DIR": str(tmp_path / "state")}
    return {**os.environ, **state, "POOL_SIZE": "browser=1", "PYTHONUNBUFFERED": "1"}


def containers(tmp_path: Path) -> list[str]:
    """Return what is left of that installation."""
    installation = (tmp_path / "state" / "installation").read_text().strip()
    label = f"agentscope_runtime.installation={installation}"
    engine = docker.from_env()
    try:
        return [str(box.name) for box in engine.containers.list(all=True, filters={"label": label})]
    finally:
        engine.close()


def test_the_demo_works_without_a_manager(tmp_path: Path) -> None:
    """Embedded, it needs nobody; the picture shows the page that the click led to, in colour."""
    picture = tmp_path / "pictures" / "demo.png"
    command = [sys.executable, "examples/demo.py", "--screenshot", str(picture)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Watch it here" in done.stdout
    with Image.open(picture) as image:
        assert image.width > 600
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 100
    assert containers(tmp_path) == []


def test_make_demo_ends_with_nothing_left(tmp_path: Path) -> None:
    """What `make demo` runs: manager, warm pool, demo, end."""
    command = [sys.executable, "scripts/run.py", "--once", "--port", str(free_port())]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no container is left" in done.stdout
    assert containers(tmp_path) == []


def test_make_run_stays_until_it_is_told_to_end(tmp_path: Path) -> None:
    """What `make run` runs; `kill` ends it as Ctrl-C does, and no container is left."""
    log = tmp_path / "run.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "scripts/run.py", "--port", str(free_port())],
            cwd=ROOT,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: "Watch it here" in log.read_text() or process.poll() is not None, 200, "the demo ran")
        assert process.poll() is None, log.read_text()
        assert containers(tmp_path) != []
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "no container is left" in log.read_text()
    assert containers(tmp_path) == []
