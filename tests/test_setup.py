"""The first five minutes: what the scripts behind the Makefile say when something is missing, and what they install."""

from __future__ import annotations

import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import tomllib
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without a terminal."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_engine_that_answers_is_left_alone(tmp_path: Path) -> None:
    """Nothing is installed, started or said."""
    path = tmp_path / "docker.sock"

    class Ping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/_ping" else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing; a Unix socket has no peer to name."""

    with socketserver.ThreadingUnixStreamServer(str(path), Ping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = run("scripts/ensure-docker.sh", DOCKER_HOST=f"unix://{path}")
        server.shutdown()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_engine_elsewhere_is_not_replaced_by_one_here() -> None:
    """Who set DOCKER_HOST does not want a second engine."""
    done = run("scripts/ensure-docker.sh", DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert done.returncode == 1
    assert "nothing answers at DOCKER_HOST=unix:///nonexistent/docker.sock" in done.stderr
    assert "unset DOCKER_HOST" in done.stderr


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_redis_that_is_there_is_left_alone(tmp_path: Path, name: str) -> None:
    """Nothing is installed, started or said, whichever of the two it is."""
    (tmp_path / name).symlink_to("/bin/false")
    done = run("/bin/bash", "scripts/ensure-redis.sh", PATH=f"{tmp_path}:{tools(tmp_path / 'bin', 'dirname')}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_where_redis_cannot_be_installed_the_command_is_named(tmp_path: Path) -> None:
    """Elsewhere than on Debian the tests go on without; those that need a Redis say so themselves."""
    done = run("/bin/bash", "scripts/ensure-redis.sh", PATH=tools(tmp_path / "bin", "dirname", "id"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "this machine lacks redis-server" in done.stdout
    assert "apt-get install redis-server" in done.stdout


def tools(folder: Path, *names: str) -> str:
    """Make a folder with only these programs, for PATH."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


@pytest.fixture
def old_machine(tmp_path: Path) -> Path:
    """Copy the set-up scripts to a machine whose only Python is too old, and that is no Debian."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    tools(tmp_path / "bin", "bash", "cat", "cut", "dirname", "env", "grep", "id", "sha256sum")
    python = tmp_path / "bin" / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    python.chmod(0o755)
    return tmp_path


def test_an_old_python_is_named_with_the_cure(old_machine: Path) -> None:
    """The message tells what was found, what is needed and how to name another."""
    done = run("scripts/setup-venv.sh", cwd=old_machine, PATH=str(old_machine / "bin"), PYTHON="")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; found Python 3.9.2" in done.stderr
    assert "make setup PYTHON=" in done.stderr


def test_an_environment_that_is_there_is_not_made_again(old_machine: Path) -> None:
    """The stamp names the lock, the project file, the script and the place; then not even Python is looked for."""
    environment = old_machine / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to("/bin/true")
    inputs = "requirements.lock pyproject.toml scripts/setup-venv.sh"
    hashed = run("bash", "-c", f"cat {inputs} | grep -v '^ *#' | sha256sum", cwd=old_machine).stdout.split()[0]
    (environment / "installed").write_text(f"{hashed} {old_machine}\n")
    python = old_machine / "bin" / "python3"
    (environment / "origin").write_text(f"{python} {old_machine}\n")

    def again(named: str = "") -> int:
        done = run("scripts/setup-venv.sh", cwd=old_machine, PATH=str(old_machine / "bin"), PYTHON=named)
        assert done.stdout == ""
        assert (done.stderr == "") == (done.returncode == 0)
        return done.returncode

    assert again() == 0
    assert again(named="python3") == 0
    assert again(named="python3.12") == 1, "the environment is another interpreter's"
    (old_machine / "pyproject.toml").write_text("changed")
    assert again() == 1


@pytest.mark.parametrize(("command", "status"), [("echo first; echo last words; exit 3", 3), ("echo fine", 0)])
def test_a_long_step_keeps_its_output_and_shows_the_end_of_what_failed(
    tmp_path: Path, command: str, status: int
) -> None:
    """`watched` runs every long step of the scripts."""
    script = f". scripts/speak.bash; watched topic 'doing it' {tmp_path}/step.log bash -c '{command}'"
    done = run("bash", "-c", script)
    assert done.returncode == status
    assert ("last words" in done.stderr) == (status != 0)
    assert (tmp_path / "step.log").read_text().splitlines()[0] in ("first", "fine")
    assert "doing it" in done.stdout


def test_a_taken_port_is_named_with_another_one() -> None:
    """Found before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        # No one answers on it, which is no reason to wait for long.
        done = run(sys.executable, "scripts/run.py", "--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is taken by another program" in done.stderr
    assert f"make run PORT={port + 1}" in done.stderr


def test_each_script_is_valid_bash() -> None:
    """A branch that is rarely taken has no syntax error either."""
    for path in [*ROOT.glob("scripts/*.sh"), *ROOT.glob("scripts/*.bash"), ROOT / ".ci" / "run"]:
        assert run("bash", "-n", path).returncode == 0, path


def for_users() -> list[str]:
    """Return what users install with the project, the extras included."""
    extras: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
    return [*PROJECT["project"]["dependencies"], *(name for extra in extras.values() for name in extra)]


def test_the_lock_holds_every_dependency() -> None:
    """What pyproject.toml names is locked, with hashes."""
    groups = PROJECT["dependency-groups"]
    wanted = [*for_users(), *groups["test"], *(d for d in groups["dev"] if isinstance(d, str))]
    names = {re.split(r"[\[<>= ]", dependency)[0] for dependency in wanted}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {name for name, _ in re.findall(r"^([a-z0-9-]+)==(\S+).*\\\n +--hash=sha256:", lock, re.MULTILINE)}
    assert names - locked == set()


def test_each_dependency_of_users_is_bounded() -> None:
    """Below by what was tested, above by what may break."""
    for dependency in for_users():
        assert ">=" in dependency, dependency
        assert ",<" in dependency or dependency.startswith("certifi"), dependency


def test_the_wheel_is_complete(tmp_path: Path) -> None:
    """It carries the three portions, what they serve, and what the builder needs; and no test."""
    bundles = [f"agentscope_runtime/sandbox_manager/pages/{name}.js" for name in ("novnc", "xterm")]
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    manager = "agentscope_runtime/sandbox_manager"
    assert {
        "agentscope_runtime/sandbox/_sync/browser.py",
        "agentscope_runtime/engine/services/sandbox.py",
        "agentscope_runtime/adapters/text/__init__.py",
        *(f"agentscope_runtime/{part}/py.typed" for part in ("sandbox", "engine", "adapters", "sandbox_manager")),
        f"{manager}/__main__.py",
        f"{manager}/backends/seccomp.json",
        f"{manager}/builder/images/base/Dockerfile",
        f"{manager}/builder/images/sandbox_server/__main__.py",
    } <= names
    for bundle in bundles:  # git ignores them, and make images makes them
        assert (bundle in names) == (ROOT / "sandbox_manager" / bundle).exists()
    assert {"agentscope_runtime/__init__.py"} & names == set()
    assert [name for name in names if "test" in name.lower() or "__pycache__" in name] == []
