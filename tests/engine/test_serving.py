"""Running an application under uvicorn, in a process of its own, as people do."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import body
from fastapi import FastAPI
from managers import eventually, free_port
from strict_reader import parse_sse, read

from agentscope_runtime.engine import AgentApp, serving
from agentscope_runtime.engine.errors import InvalidOption

PROGRAM = """
import asyncio
import contextlib
import sys

from agentscope_runtime.engine import AgentApp

@contextlib.asynccontextmanager
async def lifespan(app):
    say("lifespan begins")
    yield
    say("lifespan ends")

def say(text):
    print(text, flush=True)

app = AgentApp(
    app_name="Friday",
    lifespan=lifespan,
    before_start=lambda app: say("before_start"),
    after_finish=lambda app: say("after_finish"),
)

@app.init
async def init(self):
    say("init")

@app.shutdown
async def shutdown(self):
    say("shutdown")

@app.query(framework="text")
async def answer(self, request, **kwargs):
    yield "The capital of France "
    if request.session_id == "waits":
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            say("handler ends")
    yield "is Paris."

@app.endpoint("/stream_numbers")
async def stream_numbers():
    for i in range(3):
        yield f"number: {i}\\n"

app.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=1)
"""


NOTEBOOK = """
import asyncio
import sys

from agentscope_runtime.engine import AgentApp

app = AgentApp(after_finish=lambda app: print("after_finish", flush=True))

async def cell():
    app.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
    print("the next cell", flush=True)

asyncio.new_event_loop().run_until_complete(cell())
"""
"""What a notebook does: its cells run within a loop that runs already."""


class Program:
    """The program, running."""

    def __init__(self, folder: Path, program: str = PROGRAM) -> None:
        (folder / "friday.py").write_text(program)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.out = folder / "out"
        with self.out.open("wb") as out:
            command = [sys.executable, "-W", "ignore", str(folder / "friday.py"), str(self.port)]
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        eventually(self._answers, 60, f"the program answers: {self.said()}")

    def said(self) -> list[str]:
        """Return what it has printed."""
        return self.out.read_text().splitlines()

    def end(self, by: signal.Signals = signal.SIGTERM) -> list[str]:
        """Send a signal, that which containers are stopped with; return all that the program said."""
        self.process.send_signal(by)
        assert self.process.wait(30) in (0, -by), self.said()
        return self.said()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            return httpx.get(f"{self.url}/readiness").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """The program, ended with the test however that ends."""
    running = Program(tmp_path)
    yield running
    running.process.kill()
    running.process.wait(30)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_documents_curl_lines_work(program: Program) -> None:
    """curl itself: the four probes give 200, /process streams to [DONE], and the endpoint streams its numbers."""
    for path in ("/health", "/readiness", "/liveness", "/"):
        status = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", program.url + path]
        assert subprocess.run(status, capture_output=True, text=True, check=True).stdout == "200"
    question = '{"input":[{"role":"user","content":[{"type":"text","text":"What is the capital of France?"}]}]}'
    ask = [
        "curl",
        "-sN",
        "-X",
        "POST",
        f"{program.url}/process",
        "-H",
        "Content-Type: application/json",
        "-d",
        question,
    ]
    events, done = parse_sse(subprocess.run(ask, capture_output=True, check=True).stdout)
    assert done
    assert read(events).text == "The capital of France is Paris."
    count = ["curl", "-sN", "-X", "POST", f"{program.url}/stream_numbers"]
    told = subprocess.run(count, capture_output=True, text=True, check=True).stdout
    assert told == "".join(f'data: "number: {number}\\n"\n\n' for number in range(3))


def test_a_signal_ends_everything_once_and_in_order(program: Program) -> None:
    """Also what is under way: its stream ends, its handler is told, and only then what it used is closed."""
    with httpx.stream("POST", f"{program.url}/process", json=body(session_id="waits"), timeout=30) as answer:
        lines = answer.iter_lines()
        while "The capital of France" not in next(lines):
            pass
        said = program.end()
        last = [line for line in lines if line.startswith("data: ")]
    assert '"status":"canceled"' in last[-2]
    assert last[-1] == "data: [DONE]"
    assert said[:3] == ["init", "before_start", "lifespan begins"]
    ends = ["handler ends", "lifespan ends", "after_finish", "shutdown"]
    assert [line for line in said if line in ends] == ends


def test_in_a_notebook_it_serves_until_the_cell_is_interrupted(tmp_path: Path) -> None:
    """Where a loop runs already, too; and the next cell can run."""
    program = Program(tmp_path, NOTEBOOK)
    try:
        assert httpx.get(f"{program.url}/health").json()["status"] == "healthy"
        assert program.end(by=signal.SIGINT) == ["after_finish", "the next cell"]
    finally:
        program.process.kill()


async def test_in_a_notebook_a_failed_start_is_heard_of() -> None:
    """The cell fails with the status that a program would end with."""

    def fail(app: FastAPI) -> None:
        raise OSError("no disk")

    with pytest.raises(SystemExit, match="3"):
        # uvicorn's own logging would stay set for the tests that come after.
        AgentApp(before_start=fail).run(host="127.0.0.1", port=0, log_config=None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_is_taken_is_refused_before_anything_starts(host: str) -> None:
    """Services and the user's lifespan would run for nothing."""
    started: list[FastAPI] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InvalidOption, match=rf"cannot listen on {host}:{port}: something listens there already"):
            AgentApp(before_start=started.append, bearer_token="a-long-secret").run(host=host, port=port)
    assert not started


def test_an_address_that_is_not_here_is_refused() -> None:
    """A name that nobody knows, and a number that is another machine's."""
    with pytest.raises(InvalidOption, match=r"cannot listen on no.such.host.invalid:8090: .* choose another"):
        serving.check_free("no.such.host.invalid", 8090)
    with pytest.raises(InvalidOption, match=r"cannot listen on 192\.0\.2\.1:8090: this machine has no such address"):
        serving.check_free("192.0.2.1", 8090)


def test_an_address_can_be_had_again_at_once() -> None:
    """A server that was just stopped leaves connections behind that wait in the kernel; they are not in the way."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            other.accept()[0].close()
    serving.check_free("127.0.0.1", port)
    serving.check_free("127.0.0.1", port)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What uvicorn would be told."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(serving, "_serve", lambda app, stop_runs, **options: seen.update(app=app, **options))
    monkeypatch.setattr(serving, "check_free", lambda host, port: None)  # somebody may run an agent on this machine
    for name in ("HOST", "PORT", "AGENT_BEARER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return seen


def test_uvicorn_is_told_address_and_options(told: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Everything that it takes passes; it never waits for ever for its readers."""
    app = AgentApp()
    app.run(host="127.0.0.1", port=8090, log_level="debug")
    grace = told.pop("timeout_graceful_shutdown")
    assert told.pop("timeout_keep_alive") > 60  # clients must be the ones who close: httpx does after 5 s
    assert grace > 0
    assert told.pop("ws") == "websockets-sansio"
    assert told == {"app": app, "host": "127.0.0.1", "port": 8090, "log_level": "debug"}
    assert not caplog.records


def test_whoever_serves_everybody_is_warned(told: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """The default address is all interfaces; without a key that is worth a line in the log."""
    with caplog.at_level(logging.WARNING):
        AgentApp(app_name="Friday").run()
        assert (told["host"], told["port"]) == ("0.0.0.0", 8080)
        assert "Friday listens on 0.0.0.0, and whoever reaches that may call its agents" in caplog.text
        caplog.clear()
        AgentApp(bearer_token="a-long-secret").run()
        assert not caplog.records


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"endpoint_path": "/ask"}, r"comes too late: give it to AgentApp\(endpoint_path=…\)"),
        ({"workers": 2}, "run `uvicorn module:app`"),
        ({"web_ui": True}, "web_ui= asks for the web page to chat on"),
    ],
)
def test_run_refuses_what_it_cannot_do(told: dict[str, Any], option: dict[str, Any], message: str) -> None:
    """In words, instead of starting something else."""
    with pytest.raises(InvalidOption, match=message):
        AgentApp().run(**option)
    assert not told
