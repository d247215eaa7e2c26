"""The command: what it prints, how it ends, and what it says when it cannot start."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import docker
import httpx
import pytest

from agentscope_runtime.sandbox_manager.__main__ import FILES, allow_open_files, main


class Command:
    """One run of the command, with boxes in memory if not said otherwise."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        """Start it in a folder of its own."""
        inherited = {name: value for name, value in os.environ.items() if name not in ("POOL_SIZE", "BEARER_TOKEN")}
        variables = {
            "CONTAINER_DEPLOYMENT": "fake",
            "PORT": "0",
            "AGENTSCOPE_RUNTIME_STATE_DIR": str(folder / "state"),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONWARNINGS": "error::ResourceWarning",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentscope_runtime.sandbox_manager", *arguments],
            cwd=folder,
            env={**inherited, **variables, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.printed = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Read what it prints until a line matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without {pattern!r}:\n{self.printed}\n{self.end()[1]}")

    def end(self) -> tuple[int, str]:
        """Wait for its end; return status and what it said on standard error."""
        out, err = self.process.communicate(timeout=60)
        self.printed += out
        return self.process.returncode, err


@contextmanager
def command(folder: Path, *arguments: str, **environment: str) -> Iterator[Command]:
    """Run the command; it is gone afterwards."""
    run = Command(folder, *arguments, **environment)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
        run.process.communicate()


def test_it_prints_its_settings_its_address_and_a_way_in(tmp_path: Path) -> None:
    """The key is not among them; the sign-in link works."""
    with command(tmp_path, BEARER_TOKEN="swordfish") as run:
        link = run.until(r"(http://127\.0\.0\.1:\d+)/#ticket=(\S+)")
        assert re.search(r"BEARER_TOKEN +set \(not shown\)", run.printed)
        assert re.search(r"POOL_SIZE +1", run.printed)
        assert httpx.post(f"{link[1]}/session", json={"ticket": link[2]}, trust_env=False).status_code == 204
        run.process.send_signal(signal.SIGINT)
        status, err = run.end()
    assert status == 0, err
    assert "swordfish" not in run.printed + err


def test_its_log_is_json_where_that_is_set(tmp_path: Path) -> None:
    """Each line by itself, on standard error; the level is a setting and an option, and wins as one."""
    with command(tmp_path, "--log-level", "debug", LOG_FORMAT="json", LOG_LEVEL="error") as run:
        run.until("#ticket=")
        run.process.send_signal(signal.SIGTERM)
        status, err = run.end()
    lines = [json.loads(line) for line in err.splitlines()]
    assert status == 0
    assert {"sandbox_started", "sandbox_removed"} <= {line.get("event") for line in lines}
    assert re.search(r"LOG_LEVEL +DEBUG", run.printed)


def test_spans_go_where_the_environment_says(tmp_path: Path) -> None:
    """All are sent before the process ends."""
    seen: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        with command(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, NO_PROXY="127.0.0.1") as run:
            link = run.until(r"(http://127\.0\.0\.1:\d+)/#ticket=(\S+)")
            assert httpx.get(f"{link[1]}/health", trust_env=False).status_code == 200
            run.process.send_signal(signal.SIGTERM)
            status, err = run.end()
        collector.shutdown()
    assert status == 0, err
    assert seen
    assert set(seen) == {"/v1/traces"}


def test_spans_that_cannot_be_sent_end_the_start(tmp_path: Path) -> None:
    """With the cure."""
    (tmp_path / "hidden.py").write_text("import sys; sys.modules['opentelemetry.sdk'] = None\n")
    extension = str(tmp_path / "hidden.py")
    with command(tmp_path, "--extension", extension, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as run:
        status, err = run.end()
    assert status == 2
    assert "install the extra `otel`" in err


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 3])
def test_signals_end_it_in_good_order(tmp_path: Path, numbers: list[signal.Signals]) -> None:
    """One is enough, more do no harm; nothing is left unsaid about it."""
    with command(tmp_path) as run:
        run.until("#ticket=")
        for number in numbers:
            run.process.send_signal(number)
        status, err = run.end()
    assert status == 0, err
    assert "Traceback" not in err
    assert run.printed.count("stopping; removing") == 1


def test_a_file_sets_what_the_environment_does_not(tmp_path: Path) -> None:
    """`.env` of the folder, or the one that is named; variables win, options win over both."""
    (tmp_path / ".env").write_text("POOL_SIZE=3\nREFILL_PARALLEL=5\nRUNTIME_SANDBOX_IMAGE_TAG=mine\n")
    (tmp_path / "other").write_text("POOL_SIZE=4\n")
    with command(tmp_path, REFILL_PARALLEL="6") as run:
        run.until("#ticket=")
        assert re.search(r"POOL_SIZE +3", run.printed)
        assert re.search(r"REFILL_PARALLEL +6", run.printed)
    with command(tmp_path, "--config", "other", "--host", "localhost") as run:
        run.until("#ticket=")
        assert re.search(r"POOL_SIZE +4", run.printed)
        assert re.search(r"HOST +localhost", run.printed)


def test_extensions_run_before_the_start(tmp_path: Path) -> None:
    """A file or a module, for instance to register a kind of sandbox, which may then be kept warm."""
    (tmp_path / "mine.py").write_text(
        "from agentscope_runtime.sandbox.registry import SandboxRegistry\n"
        "SandboxRegistry.register('acme/robot:1.4', 'robot')\n"
        "print('mine ran')\n"
    )
    with command(tmp_path, "--extension", "mine.py", "--extension", "json", POOL_SIZE="robot=1") as run:
        run.until("mine ran")
        run.until("#ticket=")
        assert re.search(r"image of robot +acme/robot:1.4\n", run.printed)


def test_it_prints_the_images_of_what_it_keeps_warm(tmp_path: Path) -> None:
    """By their full names, as the variables make them."""
    names = {"RUNTIME_SANDBOX_REGISTRY": "reg.example", "RUNTIME_SANDBOX_IMAGE_NAMESPACE": "acme"}
    with command(tmp_path, **names, RUNTIME_SANDBOX_IMAGE_TAG="7", POOL_SIZE="base_async=0,browser=0") as run:
        run.until("#ticket=")
    assert re.search(r"image of base +reg\.example/acme/runtime-sandbox-base:7\n", run.printed)
    assert re.search(r"image of browser +reg\.example/acme/runtime-sandbox-browser:7\n", run.printed)


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        ((), {"HOST": "0.0.0.0"}, "HOST=0.0.0.0 can be reached from other machines.* set BEARER_TOKEN"),
        ((), {"POOL_SIZE": "many"}, "POOL_SIZE: .*'many'"),
        ((), {"POOL_SIZE": "brwser=1"}, "POOL_SIZE: no sandbox type 'brwser'; there are: base, browser"),
        ((), {"MAX_SANDBOXES_BY_TYPE": "gui=1,brwser=1"}, "MAX_SANDBOXES_BY_TYPE: no sandbox type 'brwser'; there are"),
        ((), {"POOL_HIT_RATIO": "0.9", "POOL_MAX": "bse=1"}, "POOL_MAX: no sandbox type 'bse'; there are: base"),
        ((), {"DEFAULT_SANDBOX_TYPE": "bse"}, "DEFAULT_SANDBOX_TYPE: no sandbox type 'bse'; there are: base, browser"),
        ((), {"POOL_SIZE": "3", "MAX_SANDBOX_INSTANCES": "1"}, "MAX_SANDBOX_INSTANCES allows 1"),
        ((), {"HOST": "192.0.2.1", "BEARER_TOKEN": "k"}, "192.0.2.1:0: this machine has no such address"),
        ((), {"HOST": "no.such.host.invalid", "BEARER_TOKEN": "k"}, "no.such.host.invalid:0"),
        (
            (),
            {"CONTAINER_DEPLOYMENT": "docker", "DOCKER_HOST": "unix:///no/such.sock"},
            "(?i)docker",
        ),
        (("--config", "none"), {}, "--config none: there is no such file"),
        (("--extension", "none.py"), {}, "--extension none.py failed: InvalidRequest: there is no file"),
        (("--extension", "no_such_module"), {}, "--extension no_such_module failed: InvalidRequest: there is no"),
        (("--port", "99999"), {}, "PORT: "),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    """With the cure, and status 2."""
    with command(tmp_path, *arguments, **environment) as run:
        status, err = run.end()
    assert status == 2
    (line,) = err.strip().splitlines()
    assert line.startswith("runtime-sandbox-server: ")
    assert re.search(told, line)
    assert run.printed == ""


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    """With the ways to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with command(tmp_path, "--port", str(port)) as run:
            status, err = run.end()
    assert status == 2
    assert f"127.0.0.1:{port}: something listens there already" in err
    assert "--port or PORT" in err


def test_help_tells_the_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """And ends well."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "HOST; 127.0.0.1" in capsys.readouterr().out


@pytest.mark.docker
def test_ctrl_c_leaves_no_container(tmp_path: Path) -> None:
    """Not even when it is pressed twice, with leases held, on the real engine."""
    with command(tmp_path, CONTAINER_DEPLOYMENT="docker", POOL_SIZE="1", BEARER_TOKEN="k") as run:
        url = run.until(r"(http://127\.0\.0\.1:\d+)/#ticket")[1]
        headers = {"Authorization": "Bearer k"}
        answer = httpx.post(f"{url}/v1/leases", json={"session_id": "s"}, headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        run.process.send_signal(signal.SIGINT)
        run.until("stopping")
        run.process.send_signal(signal.SIGINT)
        status, err = run.end()
    assert status == 0, err
    installation = (tmp_path / "state" / "installation").read_text().strip()
    engine = docker.from_env()
    label = f"agentscope_runtime.installation={installation}"
    assert engine.containers.list(all=True, filters={"label": label}, ignore_removed=True) == []
    engine.close()


def test_it_may_have_many_open_files() -> None:
    """As many as the machine allows, whatever the shell begins with."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = FILES if before[1] == resource.RLIM_INFINITY else before[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), before[1]))
        allow_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(FILES, hard), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
