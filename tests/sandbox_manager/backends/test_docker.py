"""What only the real Docker Engine can show: the flags in force, who reaches whom, last words, and outages."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiodocker
import aiohttp
import pytest
from docker_engine import docker_backend, execute, inspect

from agentscope_runtime.sandbox.errors import BackendUnavailable
from agentscope_runtime.sandbox_manager.backends import BOX_PORT, Blueprint, Order, Owner, WatchLost, docker_network
from agentscope_runtime.sandbox_manager.backends.docker import DockerBackend
from agentscope_runtime.sandbox_manager.kinds import registered_kinds

pytestmark = pytest.mark.docker
BASE: Blueprint = registered_kinds(watchdog_seconds=60.0)("base")


@pytest.fixture
async def backend() -> AsyncIterator[DockerBackend]:
    """An installation of its own."""
    async with docker_backend() as opened:
        yield opened


def order(blueprint: Blueprint = BASE) -> Order:
    """Order a sandbox."""
    return Order("sbx-" + secrets.token_hex(10), blueprint, created_at=time.time(), token=secrets.token_urlsafe(32))


async def healthy(host: str, port: int) -> None:
    """Wait until a box listens; nothing tells when it does."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        for _ in range(2000):
            try:
                async with session.get(f"http://{host}:{port}/health") as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)


async def test_the_flags_of_a_container_are_in_force(backend: DockerBackend) -> None:
    """As the engine has them, not only as we asked."""
    ordered = order()
    await backend.start(ordered)
    shown = await inspect(ordered.sandbox_id)
    host = shown["HostConfig"]
    assert shown["Config"]["User"] == "1000:1000"
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["ReadonlyRootfs"]
    assert host["Init"]
    assert host["AutoRemove"]
    assert host["PidsLimit"] == 512
    assert host["Memory"] == host["MemorySwap"] == 1 << 30
    assert host["NanoCpus"] == 2 * 10**9
    assert host["ShmSize"] == 64 << 20
    assert set(host["Tmpfs"]) == {"/tmp", "/tmp/.X11-unix", "/home/agent", "/run/box", "/run/desktop"}
    options = host["SecurityOpt"]
    assert any(option.startswith("no-new-privileges") for option in options)
    assert any(option.startswith('seccomp={"') for option in options)
    assert not any(shown["NetworkSettings"]["Ports"].values())
    assert ordered.token not in str(shown)


async def test_user_1000_owns_what_it_writes_to_and_nothing_else(backend: DockerBackend) -> None:
    """The workspace, its home and /tmp can be written; the root cannot."""
    ordered = order()
    await backend.start(ordered)
    code, output = await execute(
        ordered.sandbox_id, "sh", "-c", "id -u; for d in /workspace ~ /tmp; do touch $d/x || exit 1; done; touch /etc/x"
    )
    assert code != 0
    assert output.splitlines()[0] == "1000"
    assert "Read-only file system" in output


async def test_one_box_does_not_reach_another(backend: DockerBackend) -> None:
    """The host does; the bridge lets no traffic pass between containers."""
    first, second = order(), order()
    await backend.start(first)
    target = (await backend.start(second)).address
    await healthy(target.host, target.port)
    script = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)\n"
        "except OSError: sys.exit(42)\n"
    )
    code, output = await execute(first.sandbox_id, "python3", "-c", script, target.host, str(target.port))
    assert code == 42, output


async def test_published_ports_listen_on_loopback_only() -> None:
    """For engines whose networks the host cannot route to."""
    async with docker_backend(publish=True) as backend:
        ordered = order()
        address = (await backend.start(ordered)).address
        assert address.host == "127.0.0.1"
        await healthy(address.host, address.port)
        ports = (await inspect(ordered.sandbox_id))["NetworkSettings"]["Ports"]
        assert [binding["HostIp"] for binding in ports[f"{BOX_PORT}/tcp"]] == ["127.0.0.1"]


async def test_what_a_box_said_before_it_ended_is_known(backend: DockerBackend) -> None:
    """It refuses a line without what it needs; its words outlive the container that removed itself."""
    watch = backend.watch()
    await anext(watch)
    ordered = order(Blueprint("base", BASE.image, 1 << 30, 10**9, 64 << 20, box_config={"kernel": "purple"}))
    await backend.start(ordered)
    async with asyncio.timeout(20):
        await anext(watch)  # it died
    assert "purple" in await backend.last_words(ordered.sandbox_id)
    assert not await backend.alive(ordered.sandbox_id)
    await watch.aclose()  # type: ignore[attr-defined]


async def test_an_engine_that_is_not_there_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question says so, and the watch tells it instead of ending."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    backend = DockerBackend(Owner(secrets.token_hex(8), "mgr-1"))
    for question in (backend.containers(), backend.alive("sbx-1"), backend.remove("sbx-1"), backend.start(order())):
        with pytest.raises(BackendUnavailable, match="is the Docker Engine running"):
            await question
    watch = backend.watch()
    news = await anext(watch)
    assert isinstance(news, WatchLost)
    await watch.aclose()  # type: ignore[attr-defined]
    await backend.aclose()


async def test_the_network_is_one_however_many_make_it(backend: DockerBackend) -> None:
    """Three first starts at once on three connections end up on one bridge."""
    others = [DockerBackend(backend.owner) for _ in range(3)]
    orders = [order() for _ in others]
    try:
        await asyncio.gather(*(each.start(ordered) for each, ordered in zip(others, orders, strict=True)))
        networks = {
            name: endpoint["NetworkID"]
            for ordered in orders
            for name, endpoint in (await inspect(ordered.sandbox_id))["NetworkSettings"]["Networks"].items()
        }
        assert len(networks) == 1
        assert len(set(networks.values())) == 1
    finally:
        for each in others:
            await each.aclose()


async def test_a_start_makes_the_network_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a new engine, and after somebody's prune; under a name of the test's own, since the real one is in use."""
    name = f"agentscope-runtime-test-{secrets.token_hex(4)}"
    monkeypatch.setattr(docker_network, "NAME", name)
    async with docker_backend() as backend, aiodocker.Docker() as docker:
        first, second = order(), order()
        address = (await backend.start(first)).address
        await healthy(address.host, address.port)
        await backend.remove(first.sandbox_id)
        await (await docker.networks.get(name)).delete()
        address = (await backend.start(second)).address  # the backend knows the old one
        await healthy(address.host, address.port)
        await backend.remove(second.sandbox_id)
        await (await docker.networks.get(name)).delete()
