"""Two managers on one Redis and one Docker, restarted in turns under load: no call is lost, and none is done twice."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from managers import Server, containers_labelled
from redis_server import RedisServer

from agentscope_runtime.sandbox import BaseSandbox

pytestmark = pytest.mark.docker

KEY = "key-of-the-pool"
SESSIONS = 3
INSTALLATION = f"rolling-{secrets.token_hex(4)}"


@pytest.fixture
def pair(make_server: Callable[..., Server], tmp_path: Path) -> Iterator[list[Server]]:
    """Two managers that share a pool, and leave nothing warm."""
    with RedisServer(tmp_path) as redis:
        settings = {"INSTALLATION": INSTALLATION, "REDIS_URL": redis.url, "BEARER_TOKEN": KEY, "KEEP_WARM": "false"}
        servers = [make_server(**settings, POOL_SIZE="1") for _ in range(2)]
        for server in servers:
            server.wait_ready()
        yield servers


class Session:
    """Somebody who works until told to stop: each call adds a line to a file, and must be done once."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.done = threading.Event()
        self.called = threading.Event()
        """Set when a call was answered."""
        self.calls = 0

    def work(self) -> None:
        """Call and call again; look now and then whether each call was done once."""
        with BaseSandbox(base_url=self.base_url, bearer_token=KEY) as box:
            while not self.done.is_set():
                answer = box.run_shell_command(f"echo {self.calls} >>log; sleep 0.05")
                assert answer["isError"] is False, answer
                self.calls += 1
                self.called.set()
                if self.calls % 10 == 0:
                    self._look(box)
            self._look(box)

    def goes_on(self, within: float) -> bool:
        """Wait for the next answer."""
        self.called.clear()
        return self.called.wait(within)

    def _look(self, box: BaseSandbox) -> None:
        assert box.fs.read("log").splitlines() == [str(number) for number in range(self.calls)]


def test_rolling_restarts_lose_no_call(pair: list[Server]) -> None:
    """The sandboxes are the same before and after, whoever serves them; in the end nothing is left of them."""
    sessions = [Session(",".join(server.url for server in pair)) for _ in range(SESSIONS)]
    with ThreadPoolExecutor(SESSIONS) as workers:
        working = [workers.submit(session.work) for session in sessions]
        try:
            go_on = all(session.goes_on(60) for session in sessions)
            for server in (*pair, *pair):
                assert server.stop() == 0
                go_on = go_on and all(session.goes_on(30) for session in sessions)  # at the other manager
                server.start().wait_ready()
        finally:
            for session in sessions:
                session.done.set()
        for work in working:
            work.result()
        assert go_on
    for server in pair:
        assert server.stop() == 0
    assert containers_labelled(INSTALLATION) == []
