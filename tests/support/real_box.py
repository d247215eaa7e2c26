"""A real box for tests, without a manager: started with the manager's own flags, told its line, called over HTTP."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import aiodocker
import docker
import docker.errors
import httpx
from absence import missing
from docker.models.containers import Container
from managers import eventually

from agentscope_runtime.sandbox_manager.backends import BOX_PORT, Order, Owner
from agentscope_runtime.sandbox_manager.backends.docker_config import container_config, seccomp_profile
from agentscope_runtime.sandbox_manager.backends.docker_network import NAME as NETWORK
from agentscope_runtime.sandbox_manager.backends.docker_network import Network
from agentscope_runtime.sandbox_manager.kinds import registered_kinds


@dataclass
class RealBox:
    """One running box."""

    container: Container
    token: str
    http: httpx.Client
    """Carries the token; its time-outs are the test's."""

    @property
    def base_url(self) -> str:
        """Where its server answers."""
        return str(self.http.base_url).rstrip("/")

    @property
    def host(self) -> str:
        """Its address in the network of the boxes."""
        return self.http.base_url.host

    def call(self, name: str, /, *, within_s: float | None = None, **arguments: object) -> dict[str, Any]:
        """Call a tool, which has `within_s` seconds, and return its result, whatever it says."""
        body = {"arguments": arguments, "timeout": within_s}
        answer = self.http.post(f"/tools/{name}", json=body, timeout=(within_s or 60) + 5)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def cell(self, code: str, timeout: float | None = None) -> dict[str, Any]:
        """Run a cell."""
        return self.call("run_ipython_cell", within_s=timeout, code=code)

    def shell(self, command: str, timeout: float | None = None) -> dict[str, Any]:
        """Run a shell command."""
        return self.call("run_shell_command", within_s=timeout, command=command)

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
    kind: str = "base",
    *,
    ready: bool = True,
    security: list[str] | None = None,
    environment: Mapping[str, str] | None = None,
    **line: object,
) -> Iterator[RealBox]:
    """Run a box of a registered kind; it is removed at the end. Skips the test where its image was not built.

    Args:
        kind: The type of sandbox.
        ready: Whether to wait until it is ready, or only until it listens.
        security: Other security options than the manager's.
        environment: The container's, where it shall have one.
        line: Members of the start-up line that shall differ.
    """
    order = _order(kind, line)
    stdin = json.dumps(order.start_line()).encode() + b"\n"
    with told_box(stdin, order, security, environment) as container, _client(container, order.token) as http:
        _wait_listening(http, container)
        if ready:
            answer = http.get("/ready", params={"wait": 30}, timeout=35)
            assert answer.status_code == 200, f"{answer.text}\n{container.logs().decode()}"
        yield RealBox(container, order.token, http)


@contextmanager
def told_box(
    stdin: bytes,
    order: Order | None = None,
    security: list[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Container]:
    """Run a container that is told these bytes and then nothing more."""
    order = order or _order("base", {})
    config = _config(order)
    config["Env"] = [f"{name}={value}" for name, value in (environment or {}).items()]
    if security is not None:
        config["HostConfig"]["SecurityOpt"] = security
    with engine_with(order.blueprint.image) as engine:
        _ensure_network()
        made = engine.api.create_container_from_config(config, order.sandbox_id)  # type: ignore[no-untyped-call]
        try:
            attached = engine.api.attach_socket(made["Id"], params={"stdin": 1, "stream": 1})
            engine.api.start(made["Id"])
            attached._sock.sendall(stdin)
            attached._sock.close()
            attached.close()
            yield engine.containers.get(made["Id"])
        finally:
            with suppress(docker.errors.NotFound):
                engine.api.remove_container(made["Id"], force=True, v=True)


def network_gateway() -> str:
    """Return the address under which boxes find this machine."""
    with engine_with() as engine:
        _ensure_network()
        return str(engine.networks.get(NETWORK).attrs["IPAM"]["Config"][0]["Gateway"])


@contextmanager
def engine_with(image: str | None = None) -> Iterator[docker.DockerClient]:
    """Connect to the engine; skips the test, and says why, where none answers or it does not have this image."""
    try:
        engine = docker.from_env()
    except docker.errors.DockerException as e:
        missing(f"no Docker Engine answers: {e}")
    try:
        try:
            if image is not None:
                engine.images.get(image)
        except docker.errors.ImageNotFound:
            missing(f"there is no image {image}: run `make images`")
        yield engine
    finally:
        engine.close()


def _order(kind: str, line: dict[str, object]) -> Order:
    blueprint = registered_kinds(watchdog_seconds=600.0)(kind)
    blueprint = replace(blueprint, box_config={**blueprint.box_config, **line})
    return Order(f"test-{secrets.token_hex(6)}", blueprint, time.time(), secrets.token_urlsafe(24))


def _config(order: Order) -> dict[str, Any]:
    owner = Owner("tests", order.sandbox_id)
    config = container_config(order, owner, network=NETWORK, publish=False, seccomp=seccomp_profile())
    config["HostConfig"]["AutoRemove"] = False  # exit code and log of a box that ended are wanted
    return config


def _ensure_network() -> None:
    async def ensure() -> None:
        async with aiodocker.Docker() as engine:
            await Network().ensure(engine)

    with ThreadPoolExecutor(1) as pool:  # Playwright may have a loop in this thread
        pool.submit(asyncio.run, ensure()).result()


def _client(container: Container, token: str) -> httpx.Client:
    host = container.attrs["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"http://{host}:{BOX_PORT}", headers=headers, trust_env=False)


def _wait_listening(http: httpx.Client, container: Container) -> None:
    def listens() -> bool:
        try:
            return http.get("/health", timeout=5).is_success
        except httpx.TransportError:
            container.reload()
            assert container.status == "running", container.logs().decode()
            return False

    eventually(listens, 30, "the box listens", every=0.01)
