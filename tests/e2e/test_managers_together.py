"""Two manager processes, one Redis, real containers: either serves each lease, and one that is killed is not missed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import httpx
import pytest
from managers import Server, eventually
from redis_server import RedisServer

pytestmark = pytest.mark.docker

KEY = "k" * 32


class Together:
    """Managers of one installation."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        self.redis = redis
        self.installation = f"together-{secrets.token_hex(4)}"
        self._folder = folder
        self.servers: list[Server] = []

    def start(self, **environment: str) -> Server:
        """Start one more manager, and wait until it serves."""
        state = self._folder / str(len(self.servers))
        state.mkdir()
        server = Server(
            state,
            state / "server.log",
            REDIS_URL=self.redis.url,
            INSTALLATION=self.installation,
            INSTALLATION_SECRET="s" * 32,
            BEARER_TOKEN=KEY,
            POOL_SIZE="base=1",
            **environment,
        )
        self.servers.append(server)
        return server.start().wait_ready()

    def containers(self) -> list[docker.models.containers.Container]:
        """Return every container of the installation."""
        engine = docker.from_env()
        label = f"agentscope_runtime.installation={self.installation}"
        try:
            return list(engine.containers.list(all=True, filters={"label": label}, ignore_removed=True))
        finally:
            engine.close()


@contextmanager
def together(folder: Path) -> Iterator[Together]:
    """Leave nothing, whatever happens."""
    with RedisServer(folder / "redis") as redis:
        managers = Together(redis, folder)
        try:
            yield managers
        finally:
            for server in managers.servers:
                server.end()
            for container in managers.containers():
                container.remove(force=True, v=True)


def http(server: Server) -> httpx.Client:
    """Return a client of one manager."""
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False)


def connect(server: Server, session: str) -> str:
    """Lease a sandbox; return its id."""
    with http(server) as client:
        answer = client.post("/v1/leases", json={"session_id": session, "sandbox_types": ["base"]})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["sandboxes"][0]["sandbox_id"])


def shell(server: Server, sandbox_id: str, command: str) -> str:
    """Run a command in a sandbox through one manager; return what it prints."""
    with http(server) as client:
        answer = client.post(
            f"/v1/sandboxes/{sandbox_id}/tools/run_shell_command", json={"arguments": {"command": command}}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["content"][0]["text"])


def ready(server: Server) -> int:
    """Return how many free sandboxes one manager counts."""
    with http(server) as client:
        answer = client.get("/v1/pool")
        return int(answer.json()["types"]["base"]["ready"]) if answer.status_code == 200 else -1


def test_a_killed_manager_is_not_missed(tmp_path: Path) -> None:
    """Its leases go on through the other, which leads from then on, fills the pool, and finishes what it began."""
    with together(tmp_path) as managers:
        one, two = managers.start(), managers.start()
        kept = connect(one, "kept")
        shell(one, kept, "echo written > /workspace/note")
        assert shell(two, kept, "cat /workspace/note").strip() == "written"
        assert connect(two, "kept") == kept
        eventually(lambda: ready(two) == 1, 60, "the pool is full again")
        one.kill()
        assert shell(two, kept, "cat /workspace/note").strip() == "written"
        assert connect(two, "more") != kept
        eventually(lambda: ready(two) == 1, 60, "the other one leads, and has filled the pool")
        assert len(managers.containers()) == 3
        with http(two) as client:
            assert client.delete("/v1/leases", params={"session_id": "kept"}).status_code == 204
        eventually(lambda: len(managers.containers()) == 2, 30, "what was released is gone")


def test_a_redis_that_lost_everything_is_filled_from_real_boxes(tmp_path: Path) -> None:
    """A session has its box again, with its work; and a link that was made before opens nothing stale."""
    with together(tmp_path) as managers:
        one = managers.start(WATCHDOG_SECONDS="20")
        kept = connect(one, "kept")
        shell(one, kept, "echo written > /workspace/note")
        eventually(lambda: ready(one) == 1, 60, "the pool is full again")
        before = {container.name for container in managers.containers()}
        time.sleep(1.0)  # the note of the lease is written in the background, and nothing tells when
        managers.redis.restart()

        def again() -> bool:
            with http(one) as client:
                answer = client.post("/v1/leases", json={"session_id": "kept", "sandbox_types": ["base"]})
            return answer.status_code == 200 and answer.json()["sandboxes"][0]["sandbox_id"] == kept

        eventually(again, 60, "the lease is back")
        assert shell(one, kept, "cat /workspace/note").strip() == "written"
        eventually(lambda: ready(one) == 1, 60, "so is the pool")
        assert {container.name for container in managers.containers()} == before
