"""The manager inside another program: there when asked for, gone without a trace."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import httpx
import pytest

from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox_manager import embedded
from agentscope_runtime.sandbox_manager.embedded import EmbeddedManager
from agentscope_runtime.sandbox_manager.keys import installation_id


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run on boxes in memory, with a state of its own."""
    for name in ("POOL_SIZE", "BEARER_TOKEN", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CONTAINER_DEPLOYMENT", "fake")
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path))


@pytest.fixture
def manager() -> Iterator[EmbeddedManager]:
    """Start one, and stop it."""
    running = embedded.start(("base",))
    yield running
    running.stop()


def http(manager: EmbeddedManager) -> httpx.Client:
    """Return a client with the key."""
    headers = {"Authorization": f"Bearer {manager.key}"}
    return httpx.Client(base_url=manager.base_url, headers=headers, trust_env=False)


def test_it_serves_on_loopback_with_a_key_of_its_own(manager: EmbeddedManager, tmp_path: Path) -> None:
    """The key is nobody else's: it is not the one of the user's own server."""
    assert manager.base_url.startswith("http://127.0.0.1:")
    with http(manager) as client:
        assert client.get("/v1/leases").json() == {"leases": []}
        assert client.get("/v1/leases", headers={"Authorization": "Bearer x"}).status_code == 401
    assert not (tmp_path / "key").exists()
    assert (tmp_path / "installation").exists()


def test_what_is_going_to_be_asked_for_is_started_once(manager: EmbeddedManager) -> None:
    """One of the kind, which the first session gets; no pool is kept behind its back."""
    with http(manager) as client:
        lease = client.post("/v1/leases", json={"session_id": "s"}).json()
        (only,) = client.get("/v1/sandboxes").json()["sandboxes"]
        assert only["sandbox_id"] == lease["sandboxes"][0]["sandbox_id"]
        client.delete("/v1/leases", params={"session_id": "s"})
        status = client.get("/v1/pool").json()["types"]["base"]
    assert (status["target"], status["ready"], status["starting"]) == (0, 0, 0)


def test_a_pool_is_kept_where_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """POOL_SIZE counts here, too."""
    monkeypatch.setenv("POOL_SIZE", "2")
    manager = embedded.start()
    try:
        with http(manager) as client:
            assert client.get("/v1/pool").json()["types"]["base"]["target"] == 2
    finally:
        manager.stop()


@pytest.mark.parametrize(("said", "done"), [("", "release"), ("suspend", "suspend")])
def test_idle_leases_are_released_unless_it_is_told_otherwise(
    said: str, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it keeps ends with the program anyway."""
    monkeypatch.setenv("IDLE_ACTION", said)
    manager = embedded.start()
    try:
        with http(manager) as client:
            lease = client.post("/v1/leases", json={"session_id": "s", "sandbox_types": ["base"]}).json()
            assert lease["idle_action"] == done
    finally:
        manager.stop()


def test_stopping_ends_thread_and_port() -> None:
    """And may be said twice."""
    before = set(threading.enumerate())
    manager = embedded.start()
    assert [thread.name for thread in set(threading.enumerate()) - before if "asyncio" not in thread.name] == [
        "sandbox-manager"
    ]
    manager.stop()
    manager.stop()
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.ConnectError), http(manager) as client:
        client.get("/health")


def test_it_leaves_the_program_alone() -> None:
    """Its signal handlers are untouched, and it can run in any thread."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    answers: list[int] = []

    def use() -> None:
        manager = embedded.start()
        with http(manager) as client:
            answers.append(client.get("/health").status_code)
        manager.stop()

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert answers == [200]
    assert handlers == {number: signal.getsignal(number) for number in handlers}


def test_it_leaves_the_logs_of_the_programs_own_server_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Their settings stay; of its own start, calls and end nothing is written."""
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
    loggers = [logging.getLogger(name) for name in names]
    handler = logging.NullHandler()
    for logger in loggers:
        logger.addHandler(handler)

    def settings() -> list[tuple[object, ...]]:
        return [(one.level, one.propagate, one.disabled, list(one.handlers), list(one.filters)) for one in loggers]

    before = settings()
    try:
        with caplog.at_level(logging.INFO):
            manager = embedded.start()
            with http(manager) as client:
                assert client.get("/health").status_code == 200
            assert [each[:4] for each in settings()] == [each[:4] for each in before]
            logging.getLogger("uvicorn.access").info("a call of the program's server")
            logging.getLogger("uvicorn.error").info("a start of the program's server")
            manager.stop()
        told = [record.message for record in caplog.records if record.name.startswith("uvicorn")]
        assert told == ["a call of the program's server", "a start of the program's server"]
        assert settings() == before
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def test_small_answers_do_not_wait_for_acknowledgements(manager: EmbeddedManager) -> None:
    """Nagle's algorithm is off on accepted connections, which takes a listener that names its protocol."""
    assert manager._listener.proto == socket.IPPROTO_TCP


def test_a_manager_in_a_script_shares_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it starts ends with the script; the variable is often there for something else."""
    monkeypatch.setenv("REDIS_URL", "redis://cache")
    monkeypatch.setenv("INSTALLATION", "production")
    assert embedded._settings().redis_address() is None
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setenv("REDIS_ENABLED", "true")
    assert embedded._settings().redis_address() is None


def test_settings_that_make_no_sense_end_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of the family, before anything runs."""
    monkeypatch.setenv("REFILL_PARALLEL", "some")
    before = threading.active_count()
    with pytest.raises(InvalidRequest, match="refill_parallel"):
        embedded.start()
    assert threading.active_count() == before


def test_what_fails_in_the_thread_is_raised_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And nothing stays behind."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path / "file"))
    before = threading.active_count()
    with pytest.raises(InvalidRequest, match="AGENTSCOPE_RUNTIME_STATE_DIR"):
        embedded.start()
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_lets_go_of_the_port() -> None:
    """Else callers would wait at a port that nobody serves, after the parent has stopped."""
    code = (
        "import os, socket, sys\n"
        "from agentscope_runtime.sandbox_manager import embedded\n"
        "manager = embedded.start()\n"
        "port = int(manager.base_url.rsplit(':')[-1])\n"
        "told, tell = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.read(told, 1)\n"
        "    os._exit(0 if socket.socket().connect_ex(('127.0.0.1', port)) else 1)\n"
        "manager.stop()\n"
        "os.write(tell, b'x')\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def containers_of(installation: str) -> list[str]:
    """Name what there is of an installation on the engine."""
    label = f"agentscope_runtime.installation={installation}"
    engine = docker.from_env()
    try:
        found = engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        return [str(container.name) for container in found]
    finally:
        engine.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.docker
def test_no_container_outlives_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On the real engine: leased and started ones are gone when stopping returns."""
    monkeypatch.setenv("CONTAINER_DEPLOYMENT", "docker")
    manager = embedded.start(("base",))
    try:
        with http(manager) as client:
            answer = client.post("/v1/leases", json={"session_id": "s"}, timeout=60)
            assert answer.status_code == 200, answer.text
        assert len(containers_of(installation_id(tmp_path))) == 1
    finally:
        manager.stop()
    assert containers_of(installation_id(tmp_path)) == []
