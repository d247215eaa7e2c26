"""Two managers on one Redis and one Docker, restarted in turns under load: no call is lost, and none is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from managers import Server, containers_of
from redis_server import RedisServer

from agentscope_runtime.sandbox import BaseSandbox

pytestmark = pytest.mark.docker

KEY = "key-of-the-pool"
SESSIONS = 3


@pytest.fixture
def pair(make_server: Callable[..., Server], tmp_path: Path) -> Iterator[list[Server]]:
    """Two managers that share a pool."""
    with RedisServer(tmp_path) as redis:
        settings = {"REDIS_URL": redis.url, "BEARER_TOKEN": KEY, "POOL_SIZE": "1", "DRAIN_SECONDS": "20"}
        servers = [make_server(**settings) for _ in range(2)]
        for server in servers:
            server.wait_ready()
        yield servers
        for server in servers:
            server.stop()


class Session(threading.Thread):
    """Somebody who works until told to stop: each call adds a line to a file, and must be done once."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.done = threading.Event()
        self.began = threading.Event()
        self.calls = 0

    def run(self) -> None:
        """Work."""
        with BaseSandbox(base_url=self.base_url, bearer_token=KEY) as box:
            while not self.done.is_set():
                answer = box.run_shell_command(f"echo {self.calls} >>log; sleep 0.05")
                assert answer["isError"] is False, answer
                self.calls += 1
                self.began.set()
                if self.calls % 10 == 0:
                    self._look(box)
            self._look(box)

    def _look(self, box: BaseSandbox) -> None:
        lines = box.fs.read("log").splitlines()
        assert lines == [str(number) for number in range(self.calls)]


def test_rolling_restarts_lose_no_call(pair: list[Server]) -> None:
    """The sandboxes are the same before and after, whoever serves them."""
    base_url = ",".join(server.url for server in pair)
    with ThreadPoolExecutor(SESSIONS) as workers:
        sessions = [Session(base_url) for _ in range(SESSIONS)]
        running = [workers.submit(session.run) for session in sessions]
        for session in sessions:
            assert session.began.wait(60)
        for server in (*pair, *pair):
            before = [session.calls for session in sessions]
            assert server.stop() == 0
            for session in sessions:
                session.began.clear()
                assert session.began.wait(30)  # goes on at the other one
            server.start().wait_ready()
            assert all(now > then for now, then in zip((s.calls for s in sessions), before, strict=True))
        for session in sessions:
            session.done.set()
        for future in running:
            future.result()
    assert all(session.calls > 20 for session in sessions)
    for server in pair:
        server.stop()
    assert containers_of(pair[0].state_dir) == []
