"""A real browser box for tests, without a manager: started with the manager's own flags, called over HTTP.

Its Chromium finds the names of `NAMES` at the test's own site, and trusts that site's certificates. What its tools say
can be checked by a witness: a second Playwright, attached to the same Chromium through a relay that only tests start.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import httpx
import pytest
from docker.models.containers import Container
from playwright.sync_api import BrowserContext, Page, Playwright
from web_site import Site

from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox_manager.backends import BOX_PORT, DESKTOP_PORT, Blueprint, Order, Owner
from agentscope_runtime.sandbox_manager.backends.docker_config import container_config, seccomp_profile

NETWORK = "bridge"  # the engine's own: which network a box is in is the backend's matter
NAMES = ("example.com", "shop.example.com", "example.org")
RELAY_PORT = 9333
RELAY = f"""
import asyncio
async def pump(source, sink):
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()
async def relay(reader, writer):
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", 9222)
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)
async def main():
    server = await asyncio.start_server(relay, "0.0.0.0", {RELAY_PORT}, limit=1 << 24)
    print("relaying", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass
class BrowserBox:
    """One running box."""

    container: Container
    host: str
    token: str
    http: httpx.Client
    ready_s: float
    """From the start of the container until /ready said so."""
    relayed: bool = False
    """Whether the relay for witnesses runs."""

    def call(self, name: str, /, *, within_s: float | None = None, **arguments: Any) -> dict[str, Any]:
        """Call a tool, which has `within_s` seconds, and return its result."""
        body = {"arguments": arguments, "timeout": within_s}
        answer = self.http.post(f"/tools/{name}", json=body, timeout=(within_s or 60) + 5)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def ok(self, name: str, /, **arguments: Any) -> str:
        """Call a tool that must succeed, and return its text."""
        result = self.call(name, **arguments)
        assert result["isError"] is False, result
        return text_of(result)

    def error(self, name: str, /, **arguments: Any) -> str:
        """Call a tool that must fail, and return its text."""
        result = self.call(name, **arguments)
        assert result["isError"] is True, result
        return text_of(result)

    def ref(self, line: str) -> str:
        """Return the ref of the first line of a fresh snapshot that contains `line`."""
        found = [entry for entry in self.ok("browser_snapshot").splitlines() if line in entry and "[ref=" in entry]
        assert found, f"no {line!r} in the snapshot"
        return found[0].split("[ref=")[1].split("]")[0]

    def run(self, *command: str) -> str:
        """Run a command in the container, outside of the user land, and return what it prints."""
        code, output = self.container.exec_run(list(command))
        assert code == 0, output
        assert isinstance(output, bytes)
        return output.decode(errors="replace")

    def desktop_url(self) -> str:
        """Return the address of the desktop's WebSocket."""
        return f"ws://{self.host}:{DESKTOP_PORT}/websockify"


def text_of(result: dict[str, Any]) -> str:
    """Return the text items of a result."""
    return "\n".join(item["text"] for item in result["content"] if item["type"] == "text")


@contextmanager
def browser_box(site: Site | None = None, **environment: str) -> Iterator[BrowserBox]:
    """Run a box; it is removed at the end. Skips the test where the image was not built."""
    engine = docker.from_env()
    image = SandboxRegistry.image_for("browser")
    try:
        engine.images.get(image)
    except docker.errors.ImageNotFound:
        pytest.skip(f"there is no image {image}: run `make images`")
    name = f"test-{secrets.token_hex(6)}"
    gateway = str(ipaddress.ip_network(engine.networks.get(NETWORK).attrs["IPAM"]["Config"][0]["Subnet"])[1])
    if site is not None:
        environment["CHROMIUM_EXTRA_ARGS"] = f'--host-resolver-rules="{_rules(site, gateway)}"'
    try:
        container, token, began = _start(engine, name, image, environment, (site and site.ca_pem) or None)
        try:
            container.reload()
            host = container.attrs["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
            base_url, headers = f"http://{host}:{BOX_PORT}", {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=base_url, headers=headers, trust_env=False) as http:
                _wait_ready(http, container)
                yield BrowserBox(container, host, token, http, time.monotonic() - began)
        finally:
            container.remove(force=True, v=True)
    finally:
        engine.close()


def _rules(site: Site, gateway: str) -> str:
    rules = [f"MAP {name}:80 {gateway}:{site.http_port}, MAP {name}:443 {gateway}:{site.https_port}" for name in NAMES]
    return ", ".join([*rules, "MAP nowhere.example.com ~NOTFOUND"])


def _start(
    engine: docker.DockerClient, name: str, image: str, environment: dict[str, str], ca_pem: str | None
) -> tuple[Container, str, float]:
    token = secrets.token_urlsafe(24)
    start_line = {"kernel": "lazy", "watchdog_s": 600.0, "ca_bundle": ca_pem}
    blueprint = Blueprint(
        "browser", image, memory=2 << 30, nano_cpus=2 * 10**9, shm=256 << 20, has_desktop=True, box_config=start_line
    )
    order = Order(name, blueprint, time.time(), token)
    config = container_config(order, Owner("tests", name), network=NETWORK, publish=False, seccomp=seccomp_profile())
    config["Env"] = [f"{key}={value}" for key, value in environment.items()]
    config["HostConfig"]["AutoRemove"] = False  # the log of a box that does not start is wanted
    made = engine.api.create_container_from_config(config, name)  # type: ignore[no-untyped-call]
    stdin = engine.api.attach_socket(made["Id"], params={"stdin": 1, "stream": 1})
    began = time.monotonic()
    engine.api.start(made["Id"])
    stdin._sock.sendall(json.dumps(order.start_line()).encode() + b"\n")
    stdin._sock.close()
    stdin.close()
    return engine.containers.get(made["Id"]), token, began


def _wait_ready(http: httpx.Client, container: Container) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = http.get("/ready", params={"wait": 30}, timeout=35)
        except httpx.TransportError:
            container.reload()
            assert container.status == "running" and time.monotonic() < deadline, container.logs().decode()
            time.sleep(0.02)  # it does not listen yet, and nothing could tell us when it does
            continue
        assert answer.status_code == 200, f"{answer.text}\n{container.logs().decode()}"
        return


class Witness:
    """A second pair of eyes on the same browser; sees pages, touches nothing unless asked."""

    def __init__(self, context: BrowserContext) -> None:
        """Look at this context."""
        self.context = context
        # Without a listener Playwright would dismiss dialogs, also those that the tools are asked about.
        context.on("dialog", lambda _: None)

    def pages(self) -> list[Page]:
        """Return the open pages, oldest first."""
        self.context.cookies()  # only during a call does this Playwright hear what happened meanwhile
        return self.context.pages

    def urls(self) -> list[str]:
        """Return the addresses of the open pages."""
        return [page.url for page in self.pages()]

    def page(self, part: str = "") -> Page:
        """Return the last page whose address contains `part`."""
        found = [page for page in self.pages() if part in page.url]
        assert found, f"no page with {part!r} among {self.urls()}"
        return found[-1]

    def see(self, expression: str, wanted: object, part: str = "") -> None:
        """Assert that an expression has a value in the page, now or in a moment."""
        eventually(lambda: self.page(part).evaluate(expression) == wanted, lambda: self.page(part).evaluate(expression))


@contextmanager
def witness(playwright: Playwright, box: BrowserBox) -> Iterator[Witness]:
    """Attach a witness to the browser of a box."""
    if not box.relayed:
        _, stream = box.container.exec_run([_python(box), "-c", RELAY], stream=True)
        assert not isinstance(stream, bytes) and next(stream).startswith(b"relaying")
        box.relayed = True
    browser = playwright.chromium.connect_over_cdp(f"http://{box.host}:{RELAY_PORT}", no_defaults=True)
    try:
        yield Witness(browser.contexts[0])
    finally:
        browser.close()


def _python(box: BrowserBox) -> str:
    """Return the interpreter that the box server runs on."""
    command = box.container.attrs["Config"]["Cmd"] or box.container.attrs["Config"]["Entrypoint"]
    return str(next(word for word in command if "python" in word))


def eventually(true: Callable[[], bool], show: Callable[[], object], within_s: float = 3.0) -> None:
    """Assert that something becomes true; other processes have no event that we could await."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"still {show()!r}"
        time.sleep(0.02)
