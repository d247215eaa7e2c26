"""Whatever is wrong ends in a typed error or an error result that says why, in time, and the manager stays quick."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from managers import ROOT, Server

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import (
    ImageMissing,
    NotAuthorized,
    PoolExhausted,
    SandboxDied,
    SandboxError,
    UnknownSandboxType,
    UnknownTool,
)

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """A manager that may hold four sandboxes in all."""
    return make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="1", MAX_SANDBOX_INSTANCES="4").wait_ready()


@pytest.fixture
def service(server: Server) -> SandboxService:
    """A service for that manager."""
    return SandboxService(base_url=server.url, bearer_token=server.key)


@pytest.fixture
def box(service: SandboxService, request: pytest.FixtureRequest) -> Iterator[BaseSandbox]:
    """A leased base sandbox of the test's own."""
    (box,) = service.connect(request.node.name, "bad", ["base"])
    assert isinstance(box, BaseSandbox)
    yield box
    service.release(request.node.name, "bad")


def words(result: dict[str, Any]) -> str:
    """Return all text of a result."""
    return "\n".join(item["text"] for item in result["content"] if item["type"] == "text")


def refused(error: type[SandboxError], call: Callable[[], object]) -> None:
    """Make a call that must end in this error."""
    with pytest.raises(error):
        call()


def test_unknown_sandbox_type(service: SandboxService) -> None:
    """A type that nobody registered is named, with those that exist."""
    with pytest.raises(UnknownSandboxType, match=r"toaster.*base"):
        service.connect("s", "u", ["toaster"])


def test_unknown_tool(box: BaseSandbox) -> None:
    """A tool that the box does not have is a typed error."""
    with pytest.raises(UnknownTool, match="make_coffee"):
        box.call_tool("make_coffee", {})


def test_wrong_token(server: Server) -> None:
    """A wrong key is refused at the first call, and so is none."""
    with pytest.raises(NotAuthorized):
        SandboxService(base_url=server.url, bearer_token="wrong").connect("s", "u", ["base"])
    assert httpx.post(f"{server.url}/v1/leases", json={"session_id": "s"}).status_code == 401


def test_pool_exhausted(server: Server, service: SandboxService) -> None:
    """When the limit is reached the next session is told so, and when to ask again; then everybody leaves."""
    for number in range(4):
        service.connect(f"full-{number}", "u", ["base"])
    try:
        with pytest.raises(PoolExhausted, match="4"):
            service.connect("one-too-many", "u", ["base"])
        with server.http() as http:
            answer = http.post("/v1/leases", json={"session_id": "one-too-many", "sandbox_types": ["base"]})
        assert answer.status_code == 503
        assert float(answer.headers["Retry-After"]) > 0
    finally:
        for number in range(4):
            service.release(f"full-{number}", "u")


def test_image_missing(make_server: Callable[..., Server]) -> None:
    """Without its image a type cannot start: the error and the pool's report say what to run."""
    server = make_server(POOL_SIZE="0", RUNTIME_SANDBOX_IMAGE_TAG="never-built").wait_ready()
    service = SandboxService(base_url=server.url, bearer_token=server.key)
    with pytest.raises(ImageMissing, match="make images"):
        service.connect("s", "u", ["base"])
    with server.http() as http:
        assert "make images" in http.get("/v1/pool").json()["types"]["base"]["failures"]["reason"]


def without_docker(state_dir: Path) -> dict[str, str]:
    """Return an environment in which no engine answers, and nothing is written outside of `state_dir`."""
    paths = os.pathsep.join(str(ROOT / part) for part in ("client", "engine", "sandbox_manager"))
    ours = {"DOCKER_HOST": "tcp://127.0.0.1:9", "AGENTSCOPE_RUNTIME_STATE_DIR": str(state_dir), "PYTHONPATH": paths}
    return {**os.environ, **ours}


def test_docker_not_running_server(tmp_path: Path) -> None:
    """The server says in words that Docker does not answer, and ends."""
    run = subprocess.run(
        [sys.executable, "-m", "agentscope_runtime.sandbox_manager"],
        env={**without_docker(tmp_path), "PORT": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 2
    assert "Docker" in run.stderr + run.stdout
    assert "Traceback" not in run.stderr + run.stdout


def test_docker_not_running_script(tmp_path: Path) -> None:
    """A script gets the same as a typed error."""
    code = (
        "from agentscope_runtime.sandbox import BaseSandbox\n"
        "from agentscope_runtime.sandbox.errors import BackendUnavailable\n"
        "try:\n    BaseSandbox().start()\nexcept BackendUnavailable as error:\n    print('typed:', error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=without_docker(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.stdout.startswith("typed:"), run.stderr


def test_box_dead_in_mid_call(service: SandboxService) -> None:
    """A box that is killed during a call ends that call at once, as a typed error."""
    (box,) = service.connect("mid-call", "bad", ["base"])
    container = docker.from_env().containers.get(box.get_info()["container_id"])
    marker = "started"

    def kill() -> None:
        while not box.fs.exists(marker):  # the call has begun in the box
            time.sleep(0.05)
        container.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    begin = time.monotonic()
    with pytest.raises(SandboxDied):
        box.run_shell_command(f"touch {marker}; sleep 50")
    assert time.monotonic() - begin < 10  # the call asked for 50; the kill comes within moments
    killer.join()
    service.release("mid-call", "bad")


def test_fifty_megabyte_upload(box: BaseSandbox) -> None:
    """A large file arrives whole."""
    data = bytes(range(256)) * (50 * 4096)
    assert box.fs.write("large.bin", data)["size"] == len(data)
    assert words(box.run_shell_command("sha256sum large.bin")).startswith(hashlib.sha256(data).hexdigest())
    assert box.fs.read("large.bin", fmt="bytes") == data


def test_output_that_is_not_utf8(box: BaseSandbox) -> None:
    """Bytes that are no text are replaced, not refused; as a file they are what they were."""
    result = box.run_shell_command(r"printf 'a\xff\xfeb'; printf 'a\xff\xfeb' > raw")
    assert result["isError"] is False
    assert words(result).startswith("a��b")
    assert box.fs.read("raw", fmt="bytes") == b"a\xff\xfeb"


def test_a_cell_that_ends_its_process(box: BaseSandbox) -> None:
    """`os._exit(0)` ends the kernel, not the box; the next cell has a fresh one."""
    result = box.run_ipython_cell("import os; os._exit(0)")
    assert result["isError"] is True
    assert "kernel" in words(result)
    assert words(box.run_ipython_cell("print('again')")).strip() == "again"


DEAF_CELL = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1000)"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("run_shell_command", {"command": "sleep 1000 & sleep 1000"}),
        ("run_shell_command", {"command": "trap '' TERM INT; while :; do :; done"}),
        ("run_ipython_cell", {"code": "while True: pass"}),
        ("run_ipython_cell", {"code": DEAF_CELL}),
    ],
)
def test_what_never_ends_is_ended(box: BaseSandbox, tool: str, arguments: dict[str, Any]) -> None:
    """A call that never ends is an error result within its time-out and a second, and the box goes on."""
    begin = time.monotonic()
    result = box.call_tool(tool, arguments, timeout=2)
    took = time.monotonic() - begin
    assert result["isError"] is True
    assert "2 s" in words(result)
    assert took < 3  # its time-out and a second
    assert words(box.run_ipython_cell("print('alive')")).strip() == "alive"


def test_health_stays_quick_while_everything_goes_wrong(
    server: Server, service: SandboxService, capsys: pytest.CaptureFixture[str]
) -> None:
    """`/health` answers while bad calls of all kinds run at once; its p95 is printed and must be sane."""
    (box,) = service.connect("storm", "bad", ["base"])
    data = b"x" * 50_000_000
    calls: list[Callable[[], object]] = [
        lambda: box.call_tool("run_shell_command", {"command": "sleep 100"}, timeout=3),
        lambda: box.call_tool("run_ipython_cell", {"code": "while True: pass"}, timeout=3),
        lambda: box.call_tool("run_shell_command", {"command": "yes | head -c 50000000"}, timeout=5),
        lambda: box.fs.write("storm.bin", data),
        lambda: box.run_shell_command(r"head -c 1000000 /dev/urandom"),
        lambda: box.call_tool("run_ipython_cell", {"code": "import os; os._exit(0)"}, timeout=5),
        lambda: refused(UnknownTool, lambda: box.call_tool("nothing", {})),
        lambda: refused(UnknownSandboxType, lambda: service.connect("s", "u", ["toaster"])),
    ]
    took: list[float] = []
    with ThreadPoolExecutor(len(calls)) as callers, httpx.Client(base_url=server.url) as http:
        running = [callers.submit(call) for call in calls]
        while not all(call.done() for call in running):
            begin = time.perf_counter()
            assert http.get("/health").status_code == 200
            took.append(time.perf_counter() - begin)
        for call in running:
            call.result()
    took.sort()
    p95 = took[int(len(took) * 0.95)]
    with capsys.disabled():
        print(f"\n/health under bad calls: n {len(took)}, p50 {took[len(took) // 2]:.4f} s, p95 {p95:.4f} s")
    assert p95 < 0.1
    service.release("storm", "bad")
