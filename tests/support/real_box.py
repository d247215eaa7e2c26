"""A real box for tests, without a manager: started with the manager's own flags, told its line, called over HTTP."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import docker
import docker.errors
import httpx
import pytest
from docker.models.containers import Container

from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox_manager.backends import BOX_PORT, Blueprint, Order, Owner
from agentscope_runtime.sandbox_manager.backends.docker_config import container_config, seccomp_profile

NETWORK = "agentscope-runtime-tests"


@dataclass(frozen=True)
class RealBox:
    """One running box."""

    container: Container
    base_url: str
    token: str
    http: httpx.Client
    """Carries the token; its time-outs are the test's."""
    listening_s: float
    """From the start of the container until it answered."""

    def call(self, name: str, /, timeout: float | None = None, **arguments: object) -> dict[str, Any]:
        """Call a tool and return its result, whatever it says."""
        body = {"arguments": arguments, "timeout": timeout}
        answer = self.http.post(f"/tools/{name}", json=body, timeout=(timeout or 60) + 5)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def cell(self, code: str, timeout: float | None = None) -> dict[str, Any]:
        """Run a cell."""
        return self.call("run_ipython_cell", timeout, code=code)

    def shell(self, command: str, timeout: float | None = None) -> dict[str, Any]:
        """Run a shell command."""
        return self.call("run_shell_command", timeout, command=command)

    def outside(self, *command: str) -> str:
        """Run a command in the container, but outside of the user land, and return what it prints."""
        code, output = self.container.exec_run(list(command))
        assert code == 0 and isinstance(output, bytes), output
        return output.decode(errors="replace")

    def server_pid(self) -> int:
        """Return the pid of the box server, as the container counts."""
        return int(self.outside("pgrep", "-f", "^/opt/box/bin/python -I -m sandbox_server"))

    def wait_gone(self, timeout: float) -> int:
        """Wait for the end of the container; return its exit code."""
        return int(self.container.wait(timeout=timeout)["StatusCode"])


def stdout(result: dict[str, Any]) -> str:
    """Return the text of the result that is described as stdout."""
    return part(result, "stdout")


def stderr(result: dict[str, Any]) -> str:
    """Return the text of the result that is described as stderr; empty where there is none."""
    return part(result, "stderr")


def part(result: dict[str, Any], description: str) -> str:
    """Return the text of a result that carries this description; empty where there is none."""
    found = [item["text"] for item in result["content"] if item.get("description") == description]
    assert len(found) <= 1, result
    return str(found[0]) if found else ""


@contextmanager
def real_box(
    kind: str = "base", *, ready: bool = True, security: list[str] | None = None, **line: object
) -> Iterator[RealBox]:
    """Run a box; it is removed at the end. Skips the test, and says why, where the image was not built.

    Args:
        kind: The type of sandbox.
        ready: Whether to wait until it is ready, or only until it listens.
        security: Other security options than the manager's.
        line: Members of the start-up line that shall differ.
    """
    token = secrets.token_urlsafe(24)
    order = _order(kind, token, {"kernel": "eager", "watchdog_s": 600.0, "ca_bundle": None, **line})
    stdin = json.dumps(order.start_line()).encode() + b"\n"
    with told_box(stdin, order, security) as (container, began), _client(container, token) as http:
        listening = _wait_listening(http, container, began)
        if ready:
            answer = http.get("/ready", params={"wait": 30}, timeout=35)
            assert answer.status_code == 200, f"{answer.text}\n{container.logs().decode()}"
        yield RealBox(container, str(http.base_url), token, http, listening)


@contextmanager
def told_box(
    stdin: bytes, order: Order | None = None, security: list[str] | None = None
) -> Iterator[tuple[Container, float]]:
    """Run a container that is told these bytes and then nothing more; give it with the moment of its start."""
    order = order or _order("base", "", {})
    engine = docker.from_env()
    try:
        try:
            engine.images.get(order.blueprint.image)
        except docker.errors.ImageNotFound:
            pytest.skip(f"there is no image {order.blueprint.image}: run `make images`")
        with _network(engine) as network, _running(engine, network, order, stdin, security) as running:
            yield running
    finally:
        engine.close()


def _order(kind: str, token: str, line: dict[str, object]) -> Order:
    blueprint = Blueprint(
        kind,
        SandboxRegistry.image_for(kind),
        memory=1 << 30,
        nano_cpus=2 * 10**9,
        shm=64 << 20,
        has_desktop=False,
        box_config=line,
    )
    return Order(f"test-{secrets.token_hex(6)}", blueprint, time.time(), token)


@contextmanager
def _network(engine: docker.DockerClient) -> Iterator[str]:
    """Find or make the network that test boxes share: an engine has room for some thirty networks only."""
    if engine.networks.list(names=[f"^{NETWORK}$"]):
        yield NETWORK
        return
    made = engine.networks.create(
        NETWORK, check_duplicate=True, options={"com.docker.network.bridge.enable_icc": "false"}
    )
    try:
        yield NETWORK
    finally:
        with suppress(docker.errors.APIError):  # another box is in it: it stays for the next run
            made.remove()


@contextmanager
def _running(
    engine: docker.DockerClient, network: str, order: Order, stdin: bytes, security: list[str] | None
) -> Iterator[tuple[Container, float]]:
    owner = Owner("tests", order.sandbox_id)
    config = container_config(order, owner, network=network, publish=False, seccomp=seccomp_profile())
    if security is not None:
        config["HostConfig"]["SecurityOpt"] = security
    config["HostConfig"]["AutoRemove"] = False  # exit code and log of a box that ended are wanted
    made = engine.api.create_container_from_config(config, order.sandbox_id)  # type: ignore[no-untyped-call]
    try:
        attached = engine.api.attach_socket(made["Id"], params={"stdin": 1, "stream": 1})
        began = time.monotonic()
        engine.api.start(made["Id"])
        attached._sock.sendall(stdin)
        attached._sock.close()
        attached.close()
        yield engine.containers.get(made["Id"]), began
    finally:
        with suppress(docker.errors.NotFound):
            engine.api.remove_container(made["Id"], force=True, v=True)


def _client(container: Container, token: str) -> httpx.Client:
    (endpoint,) = container.attrs["NetworkSettings"]["Networks"].values()
    base_url = f"http://{endpoint['IPAddress']}:{BOX_PORT}"
    return httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)


def _wait_listening(http: httpx.Client, container: Container, began: float) -> float:
    while True:
        try:
            http.get("/health", timeout=5).raise_for_status()
        except httpx.TransportError:
            container.reload()
            assert container.status == "running" and time.monotonic() < began + 30, container.logs().decode()
            time.sleep(0.01)  # it does not listen yet, and nothing could tell us when it does
            continue
        return time.monotonic() - began
